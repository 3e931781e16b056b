"""`ssh-key`: an existing private key, sealed to one pool: enough to begin with, and said to be weaker."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from procedures.credentials.sealed import Sealed, lent, secret_of
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, RunContext
from procedures.ssh.accounts import ACCOUNT, NotIssuable


class SshKey(Sealed):
    """The ceiling: `{"secret": NAME}`; the role is the account."""

    kind: ClassVar[str] = "ssh"

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        if not ACCOUNT.fullmatch(binding.role):
            raise NotIssuable(f"{binding.role!r} is not one account.")
        secret_of(binding, "key")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        if context.target is None:
            raise NotIssuable("A key is lent for one target.")
        name = secret_of(binding, "key")
        return lent(
            lease_id,
            "ssh-key",
            f"key:{name}",
            target=context.target.name,
            at=at,
            ttl_s=ttl_s,
            evidence={"level": "key", "account": binding.role, "secret": name},
            material={"private_key": self.fetch(context.environment, name)},
        )
