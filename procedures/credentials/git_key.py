"""`git-key`: a deploy key, sealed to one pool and good for the one git host whose key its binding pins."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar, Literal
from uuid import UUID

from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import ACCOUNT, NotIssuable

Fetch = Callable[[str, str], Secret]
HOST = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?$")
HOST_KEY = re.compile(r"^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/=]+$")


class GitKey(Provider):
    """`fetch(environment, name)` opens the key. Ceiling: `{"secret": NAME, "host": HOST[:PORT], "host_key": KEY}`."""

    kind: ClassVar[str] = "git"

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        ceiling = binding.ceiling
        if not ACCOUNT.fullmatch(binding.role):
            raise NotIssuable(f"{binding.role!r} is not one account.")
        if not isinstance(ceiling.get("secret"), str):
            raise NotIssuable("The binding does not name the sealed key: ceiling.secret is missing.")
        if not HOST.fullmatch(str(ceiling.get("host", ""))) or not HOST_KEY.fullmatch(str(ceiling.get("host_key", ""))):
            raise NotIssuable("The binding pins one host and its key: ceiling.host and ceiling.host_key.")
        wanted = need.scope.get("host")
        if wanted is not None and wanted != ceiling["host"]:
            raise NotIssuable(f"The procedure asks for the host {wanted}, the binding gives {ceiling['host']}.")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        name = str(binding.ceiling["secret"])
        return Lease(
            id=lease_id,
            provider="git-key",
            target=None,
            handle=f"key:{name}",
            issued_at=at,
            expires_at=at + timedelta(seconds=ttl_s),
            renewable=False,
            self_expiring=False,
            kills_sessions=False,
            evidence={
                "level": "key",
                "secret": name,
                "host": str(binding.ceiling["host"]),
                "user": binding.role,
                "host_key": str(binding.ceiling["host_key"]),
            },
            material={"private_key": self.fetch(context.environment, name)},
        )

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        return "expires-only"
