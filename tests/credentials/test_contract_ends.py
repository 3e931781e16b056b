"""What every provider promises of the end: by its time, after an issuer that was killed; and no wildcard is bound."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from procedures.definitions.registry import OUR_PROVIDERS
from procedures.domain.errors import OpsError
from procedures.domain.leases import NotRenewable
from procedures.domain.ports import Provider
from procedures.ssh.accounts import NotIssuable
from tests.credentials.kept import ROWS, Kept, kept

__all__ = ["kept"]


def test_each_provider_has_its_row() -> None:
    """Whoever adds a provider says what it promises; the tests here and in test_contract play it."""
    assert set(ROWS) == set(OUR_PROVIDERS)


def test_it_ends_by_its_time_or_says_that_it_never_does(kept: Kept) -> None:
    if kept.short is not None:
        kept.short()
    lease = kept.issue(ttl_s=1 if kept.row.ends == "refused" and kept.short is None else 0)
    assert lease.self_expiring is (kept.row.ends != "never")
    if kept.row.ends == "never":
        assert kept.provider.revoke(lease.handle, "over") == "expires-only"
    elif kept.row.ends == "says when":
        assert kept.says is not None
        assert abs(kept.says(lease) - lease.expires_at) <= timedelta(seconds=1), "what is kept says what it says"
    else:
        assert kept.works is not None
        until = time.monotonic() + 10
        while kept.works(lease) and time.monotonic() < until:
            time.sleep(0.1)
        assert not kept.works(lease), "nobody gave it back"
        assert kept.provider.revoke(lease.handle, "over") in {"revoked", "already-gone"}


def test_what_a_killed_issuer_made_and_never_told_is_ended_or_ends_by_itself(kept: Kept) -> None:
    """The intent is on record, the side effect happened, and nothing of it reached the ledger: no handle, no secret."""
    number = uuid4()
    lost = kept.issue(number)
    again: Provider = kept.anew() if kept.anew is not None else kept.provider
    ended = again.unmade(kept.binding, number)
    assert ended is (kept.row.orphan == "ended")
    if ended:
        assert kept.works is not None
        assert not kept.works(lost)
        assert not again.unmade(kept.binding, number), "twice is once"
    elif kept.row.orphan == "by its time":
        assert lost.self_expiring
    else:
        assert not lost.self_expiring, "it is the same for every run: there is nothing of this lease to be ended"
    kept.provider.revoke(lost.handle, "over")


def test_it_is_renewed_where_it_says_so_and_nowhere_else(kept: Kept) -> None:
    lease = kept.issue()
    assert lease.renewable is kept.row.renews
    if kept.row.renews:
        until = kept.provider.renew(lease.handle, ttl_s=kept.ttl_s * 2)
        assert until - lease.expires_at > timedelta(seconds=kept.ttl_s / 2)
        kept.provider.revoke(lease.handle, "over")
        with pytest.raises(OpsError):
            kept.provider.renew(lease.handle, ttl_s=kept.ttl_s)
        assert kept.works is not None
        assert not kept.works(lease)
        return
    with pytest.raises(NotRenewable):
        kept.provider.renew(lease.handle, ttl_s=60)
    kept.provider.revoke(lease.handle, "over")


def test_what_was_never_made_is_ended_without_a_word(kept: Kept) -> None:
    assert not kept.provider.unmade(kept.binding, uuid4())


@pytest.mark.parametrize("value", ["*", "a*", "%", "", ["a", "b"]], ids=str)
def test_no_field_that_narrows_takes_a_wildcard(kept: Kept, value: Any) -> None:
    kept.provider.validate(kept.need, kept.binding)
    for field in kept.row.narrows:
        if field == "role":
            if not isinstance(value, str):
                continue
            other = replace(kept.binding, role=value)
        elif value == "" and field not in kept.binding.ceiling:
            continue  # what is not there narrows nothing
        else:
            other = replace(kept.binding, ceiling={**kept.binding.ceiling, field: value})
        with pytest.raises(NotIssuable):
            kept.provider.validate(kept.need, other)
