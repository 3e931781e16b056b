"""What providers that lend a sealed secret as it is have in common: a lease that nothing ends before its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, Provider
from procedures.domain.rendering import ENV_NAME, FORBIDDEN_ENV
from procedures.domain.repositories import HOST
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable

Fetch = Callable[[str, str], Secret]


class Sealed(Provider):
    """`fetch(environment, name)` opens what the binding's ceiling names: `{"secret": NAME}`."""

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        return "expires-only"


def secret_of(binding: Binding, what: str) -> str:
    """The name of the sealed thing. Raises NotIssuable."""
    name = binding.ceiling.get("secret")
    if not isinstance(name, str):
        raise NotIssuable(f"The binding does not name the sealed {what}: ceiling.secret is missing.")
    return name


def variable_of(binding: Binding, field: str) -> str:
    """The variable that a field of the ceiling names, if a step may have it. Raises NotIssuable."""
    name = str(binding.ceiling.get(field, ""))
    if not ENV_NAME.fullmatch(name) or FORBIDDEN_ENV.match(name) or name.startswith(("PARAM_", "OPSPORTAL_")):
        raise NotIssuable(f"ceiling.{field}: {name!r} is not the name of a variable that a step may have.")
    return name


def host_of(need: CredentialNeed, binding: Binding, missing: str) -> str:
    """The one host that a binding names and a need agrees with. Raises NotIssuable."""
    host = str(binding.ceiling.get("host", ""))
    if not HOST.fullmatch(host):
        raise NotIssuable(missing)
    wanted = need.scope.get("host")
    if wanted is not None and wanted != host:
        raise NotIssuable(f"The procedure asks for the host {wanted}, the binding gives {host}.")
    return host


def lent(
    lease_id: UUID,
    provider: str,
    handle: str,
    *,
    at: datetime,
    ttl_s: int,
    evidence: dict[str, Any],
    material: Mapping[str, Secret],
    target: str | None = None,
) -> Lease:
    """A lease that ends by its time alone."""
    return Lease(
        id=lease_id,
        provider=provider,
        target=target,
        handle=handle,
        issued_at=at,
        expires_at=at + timedelta(seconds=ttl_s),
        renewable=False,
        self_expiring=False,
        kills_sessions=False,
        evidence=evidence,
        material=material,
    )
