"""`ssh-key`: an existing private key, sealed to one pool: enough to begin with, and said to be weaker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar, Literal
from uuid import UUID

from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import ACCOUNT, NotIssuable

Fetch = Callable[[str, str], Secret]


class SshKey(Provider):
    """`fetch(environment, name)` opens the sealed private key; the binding's ceiling names it: `{"secret": NAME}`."""

    kind: ClassVar[str] = "ssh"

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        if not ACCOUNT.fullmatch(binding.role):
            raise NotIssuable(f"{binding.role!r} is not one account.")
        if not isinstance(binding.ceiling.get("secret"), str):
            raise NotIssuable("The binding does not name the sealed key: ceiling.secret is missing.")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        if context.target is None:
            raise NotIssuable("A key is lent for one target.")
        key = self.fetch(context.environment, str(binding.ceiling["secret"]))
        return Lease(
            id=lease_id,
            provider="ssh-key",
            target=context.target.name,
            handle=f"key:{binding.ceiling['secret']}",
            issued_at=at,
            expires_at=at + timedelta(seconds=ttl_s),
            renewable=False,
            self_expiring=False,
            kills_sessions=False,
            evidence={"level": "key", "account": binding.role, "secret": str(binding.ceiling["secret"])},
            material={"private_key": key},
        )

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        return "expires-only"
