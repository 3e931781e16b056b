"""One of each provider with its counterpart, and what each of them promises: the rows of the contract."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    SSHCertificate,
    load_ssh_public_identity,
)

from procedures.credentials.git_key import GitKey
from procedures.credentials.git_token import GitToken
from procedures.credentials.kubernetes_token import KubernetesToken
from procedures.credentials.sealed_secret import SealedSecret
from procedures.credentials.ssh_certificate import SshCertificate
from procedures.credentials.ssh_key import SshKey
from procedures.credentials.vault import Vault
from procedures.definitions.registry import OUR_PROVIDERS
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, Provider, RunContext, Target
from procedures.domain.secrets import Secret
from tests.credentials import identities
from tests.credentials.clouds import Cloud
from tests.credentials.clusters import Cluster
from tests.credentials.vaults import Place
from tests.postgres.conftest import Shop, context

VALUE = b"a-canary-of-the-contract"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdpdA=="
Works = Callable[[Lease], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """What one provider promises. `ends`: how a lease is over by itself; `orphan`: what becomes of one that was made
    by an issuer that was killed before it could say so; `narrows`: fields of a binding that take no wildcard;
    `renews`: whether a running step may have it for longer (of Vault dynamic secrets alone, see test_vault).
    """

    ends: Literal["refused", "says when", "never"]
    orphan: Literal["ended", "by its time", "nothing new"]
    narrows: tuple[str, ...]
    renews: bool = False


ROWS: Mapping[str, Row] = {
    "ssh-certificate": Row("says when", "by its time", ("role",)),
    "ssh-key": Row("never", "nothing new", ("role",)),
    "git-token": Row("never", "nothing new", ("host",)),
    "git-key": Row("never", "nothing new", ("role", "host")),
    "sealed-secret": Row("never", "nothing new", ("env",)),
    "postgres-role": Row("refused", "ended", ("role", "host", "database", "login"), renews=True),
    "aws-sts": Row("says when", "by its time", ("role", "region")),
    "vault": Row("refused", "by its time", ("role", "address", "namespace", "path")),
    "kubernetes-token": Row("refused", "ended", ("role", "server", "namespace", "audience")),
    "oidc-workload": Row("says when", "by its time", ("role", "env")),
}


@dataclass(frozen=True, slots=True)
class Kept:
    """One provider, what it is asked for, and whether a lease of it still works. None: nobody can tell here.

    `anew` is the provider of an issuer that was started again; `says` is the end that stands in the credential itself;
    `short` makes what is lent next live for a second.
    """

    provider: Provider
    need: CredentialNeed
    binding: Binding
    works: Works | None = None
    ttl_s: int = 60
    anew: Callable[[], Provider] | None = None
    says: Callable[[Lease], datetime] | None = None
    short: Callable[[], None] | None = None

    @property
    def row(self) -> Row:
        return ROWS[self.binding.provider]

    def issue(self, lease: UUID | None = None, *, ttl_s: int = 0) -> Lease:
        return self.provider.issue(
            on_a_host(), self.need, self.binding, lease or uuid4(), at=now(), ttl_s=ttl_s or self.ttl_s
        )


def on_a_host() -> RunContext:
    host = Target(uuid4(), "web-01", "staging", "127.0.0.1", 22, HOST_KEY, "x", "key")
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
    return Kept(SshCertificate(folder), CredentialNeed("deploy", "ssh", {}, 300), binding, says=_until)


def _until(lease: Lease) -> datetime:
    certificate = load_ssh_public_identity(lease.material["certificate"].reveal())
    assert isinstance(certificate, SSHCertificate)
    return datetime.fromtimestamp(certificate.valid_before, UTC)


def _exp(lease: Lease) -> datetime:
    part = lease.material["token"].reveal().split(b".")[1]
    return datetime.fromtimestamp(json.loads(base64.urlsafe_b64decode(part + b"=="))["exp"], UTC)


def token_lives(place: Place, lease: Lease) -> bool:
    token = lease.material["token"].reveal().decode()
    asked = {"headers": {"X-Vault-Token": token}, "timeout": 5.0}
    assert httpx.get(f"{place.vault.url}/v1/database/creds/reader", **asked).status_code == 403, "not its to read"
    return token in place.vault.tokens and place.vault.tokens[token].lives


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
        says = lambda lease: datetime.fromtimestamp(int(lease.handle.split()[-2]), UTC)  # noqa: E731
        return Kept(cloud.provider, need, cloud.binding(deny=True), ttl_s=900, says=says)

    def vault() -> Kept:
        place: Place = counterpart("place")
        need = CredentialNeed("vault", "vault", {}, 300)
        anew = lambda: Vault(place.provider.fetch, place.provider.authority)  # noqa: E731
        return Kept(place.provider, need, place.binding(), lambda lease: token_lives(place, lease), anew=anew)

    def kubernetes() -> Kept:
        cluster: Cluster = counterpart("cluster")
        need = CredentialNeed("k8s", "kubernetes", {}, 900)
        anew = lambda: KubernetesToken(cluster.provider.fetch, cluster.authority)  # noqa: E731
        short = lambda: setattr(cluster.server, "longer_s", 1 - 900)  # noqa: E731
        return Kept(cluster.provider, need, cluster.binding(), cluster.lets_in, 900, anew, short=short)

    made: Mapping[str, Callable[[], Kept]] = {
        "kubernetes-token": kubernetes,
        "ssh-certificate": lambda: certificates(tmp_path),
        "ssh-key": lambda: static(lambda fetch: SshKey(fetch, certificates(tmp_path).provider.keys), "ssh", "deploy"),
        "git-token": lambda: static(GitToken, "git", "x", host="github.com"),
        "git-key": lambda: static(GitKey, "git", "git", host="git.example.com", host_key=HOST_KEY),
        "oidc-workload": lambda: Kept(identities.provider(), identities.NEED, identities.binding(), says=_exp),
        "sealed-secret": lambda: static(SealedSecret, "secret", "x", env="TOKEN"),
        "postgres-role": postgres,
        "aws-sts": aws,
        "vault": vault,
    }
    return made[request.param]()
