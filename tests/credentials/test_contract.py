"""What every provider promises: issue, use, once for a lease, revoke twice, and its value in nothing that is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from procedures.credentials.git_key import GitKey
from procedures.credentials.git_token import GitToken
from procedures.credentials.sealed_secret import SealedSecret
from procedures.credentials.ssh_certificate import SshCertificate
from procedures.credentials.ssh_key import SshKey
from procedures.definitions.registry import OUR_PROVIDERS
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, Provider, RunContext, Target
from procedures.domain.secrets import Secret
from procedures.issuer.wire import lease_of, told_lease
from procedures.ssh.accounts import NotIssuable
from tests.credentials import identities
from tests.credentials.clouds import Cloud
from tests.credentials.clusters import Cluster
from tests.credentials.vaults import Place
from tests.postgres.conftest import Shop, context

VALUE = b"a-canary-of-the-contract"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdpdA=="
Works = Callable[[Lease], bool]


@dataclass(frozen=True, slots=True)
class Kept:
    """One provider, what it is asked for, and whether a lease of it still works. None: nobody can tell here."""

    provider: Provider
    need: CredentialNeed
    binding: Binding
    works: Works | None = None
    ttl_s: int = 60

    def issue(self, lease: UUID | None = None) -> Lease:
        return self.provider.issue(on_a_host(), self.need, self.binding, lease or uuid4(), at=now(), ttl_s=self.ttl_s)


def on_a_host() -> RunContext:
    host = Target(uuid4(), "web-01", "staging", "127.0.0.1", 22, HOST_KEY, "x", "certificate")
    return replace(context(), target=host, command_sha256="c" * 64)


def static(provider: Callable[[Any], Provider], kind: str, role: str, **ceiling: Any) -> Kept:
    made = provider(lambda environment, name: Secret(VALUE))
    name = next(name for name, (_, one) in OUR_PROVIDERS.items() if one == type(made).__name__)
    binding = Binding("staging", "x", name, role, {"secret": "s", **ceiling}, 300, {}, "sha256:x")
    return Kept(made, CredentialNeed("x", kind, {}, 300), binding)


def certificates(folder: Path) -> Kept:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (folder / "ssh-ca-staging").write_bytes(key)
    (folder / "ssh-ca-staging").chmod(0o600)
    binding = Binding("staging", "deploy", "ssh-certificate", "deploy", {}, 300, {}, "sha256:x")
    return Kept(SshCertificate(folder), CredentialNeed("deploy", "ssh", {}, 300), binding)


def token_lives(place: Place, lease: Lease) -> bool:
    token = lease.material["token"].reveal().decode()
    asked = {"headers": {"X-Vault-Token": token}, "timeout": 5.0}
    assert httpx.get(f"{place.vault.url}/v1/database/creds/reader", **asked).status_code == 403, "not its to read"
    return token in place.vault.tokens


def logs_in(shop: Shop, lease: Lease) -> bool:
    try:
        shop.login(lease).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(params=sorted(OUR_PROVIDERS))
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    def counterpart(name: str) -> Any:
        return request.getfixturevalue(name)

    def postgres() -> Kept:
        shop: Shop = counterpart("shop")
        need = CredentialNeed("db", "postgres", {}, 300)
        return Kept(shop.provider, need, shop.binding(), lambda lease: logs_in(shop, lease))

    def aws() -> Kept:
        cloud: Cloud = counterpart("cloud")
        need = CredentialNeed("cloud", "aws", {}, 900)
        return Kept(cloud.provider, need, cloud.binding(deny=True), ttl_s=900)

    def vault() -> Kept:
        place: Place = counterpart("place")
        need = CredentialNeed("vault", "vault", {}, 300)
        return Kept(place.provider, need, place.binding(), lambda lease: token_lives(place, lease))

    def kubernetes() -> Kept:
        cluster: Cluster = counterpart("cluster")
        need = CredentialNeed("k8s", "kubernetes", {}, 900)
        return Kept(cluster.provider, need, cluster.binding(), cluster.lets_in, ttl_s=900)

    made: Mapping[str, Callable[[], Kept]] = {
        "kubernetes-token": kubernetes,
        "ssh-certificate": lambda: certificates(tmp_path),
        "ssh-key": lambda: static(SshKey, "ssh", "deploy"),
        "git-token": lambda: static(GitToken, "git", "x", host="github.com"),
        "git-key": lambda: static(GitKey, "git", "git", host="git.example.com", host_key=HOST_KEY),
        "oidc-workload": lambda: Kept(identities.provider(), identities.NEED, identities.binding()),
        "sealed-secret": lambda: static(SealedSecret, "secret", "x", env="TOKEN"),
        "postgres-role": postgres,
        "aws-sts": aws,
        "vault": vault,
    }
    return made[request.param]()


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
