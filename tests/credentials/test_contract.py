"""What every provider promises: issue, use, once for a lease, revoke twice, and its value in nothing that is kept."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from uuid import uuid4

import pytest

from procedures.domain.ports import Lease
from procedures.domain.secrets import Secret
from procedures.issuer.wire import lease_of, told_lease
from procedures.ssh.accounts import NotIssuable
from tests.credentials.kept import Kept, kept

__all__ = ["kept"]


def test_what_is_lent_works_ends_and_is_given_back_twice(kept: Kept) -> None:
    lease = kept.issue()
    assert (lease.provider, lease.target) in {(kept.binding.provider, "web-01"), (kept.binding.provider, None)}
    assert lease.issued_at <= lease.expires_at
    assert lease.self_expiring or kept.provider.revoke(lease.handle, "over") == "expires-only", "said to be static"
    if kept.works:
        assert kept.works(lease)
    first, second = (kept.provider.revoke(lease.handle, "over") for _ in range(2))
    assert (first == "revoked") is lease.kills_sessions
    assert second in {"revoked", "already-gone", "expires-only"}
    if kept.works:
        assert not kept.works(lease)


def test_its_value_stands_in_nothing_that_is_kept(kept: Kept) -> None:
    lease = kept.issue()
    values = [secret.reveal().decode() for secret in lease.material.values()]
    assert values
    kept_words = lease.handle + json.dumps(lease.evidence) + repr(lease)
    assert not [value for value in values if value in kept_words]
    assert len(lease.handle) <= 300, "it must fit the ledger"
    hidden = [value for value in lease.env.values() if isinstance(value, Secret)]
    assert {value.reveal().decode() for value in hidden} <= set(values), "the mask knows what a program is given"
    assert all(any(value in file.reveal().decode() for value in values) for file in lease.files.values())
    plain = [value for value in lease.env.values() if isinstance(value, str)]
    assert not set(plain) & set(values)
    kept.provider.revoke(lease.handle, "over")


def test_it_crosses_the_socket_whole(kept: Kept) -> None:
    lease = kept.issue()
    other, _ = lease_of(json.loads(json.dumps(told_lease(lease, None))))
    assert {name: getattr(other, name) for name in lease.__slots__} == {
        name: getattr(lease, name) for name in lease.__slots__
    }
    kept.provider.revoke(other.handle, "over")


def test_one_lease_is_one_credential_however_often_it_is_asked_for(kept: Kept) -> None:
    number = uuid4()
    first, second = kept.issue(number), kept.issue(number)
    if kept.binding.provider not in {"ssh-certificate", "aws-sts"}:  # those are new keys under the same name and end
        assert first.handle == second.handle
    kept.provider.revoke(first.handle, "over")
    kept.provider.revoke(second.handle, "over")
    if kept.works:
        assert not kept.works(first)
        assert not kept.works(second)


def test_several_threads_are_lent_to_at_once(kept: Kept) -> None:
    leases: list[Lease] = []
    threads = [threading.Thread(target=lambda: leases.append(kept.issue())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({lease.id for lease in leases}) == 6
    for lease in leases:
        kept.provider.revoke(lease.handle, "over")
    if kept.works:
        assert not any(kept.works(lease) for lease in leases)


@pytest.mark.parametrize("role", ["*", "a b", "", "x\ny"])
def test_a_role_is_one_name(kept: Kept, role: str) -> None:
    kept.provider.validate(kept.need, kept.binding)
    other = replace(kept.binding, role=role)
    if kept.binding.provider in {"git-token", "sealed-secret"}:  # there the role is a word, and leads nowhere
        kept.provider.validate(kept.need, other)
        return
    with pytest.raises(NotIssuable):
        kept.provider.validate(kept.need, other)


def test_a_binding_without_limits_gives_nothing(kept: Kept) -> None:
    if kept.binding.provider == "ssh-certificate":
        return
    with pytest.raises(NotIssuable):
        kept.provider.validate(kept.need, replace(kept.binding, ceiling={}))
