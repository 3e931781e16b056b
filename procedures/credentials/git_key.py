"""`git-key`: a deploy key, sealed to one pool and good for the one git host whose key its binding pins."""

from __future__ import annotations

import re
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from procedures.credentials.sealed import Sealed, host_of, lent, secret_of
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, RunContext
from procedures.ssh.accounts import ACCOUNT, NotIssuable

HOST_KEY = re.compile(r"^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/=]+$")
PINS = "The binding pins one host and its key: ceiling.host and ceiling.host_key."


class GitKey(Sealed):
    """The ceiling: `{"secret": NAME, "host": HOST[:PORT], "host_key": KEY}`."""

    kind: ClassVar[str] = "git"

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        if not ACCOUNT.fullmatch(binding.role):
            raise NotIssuable(f"{binding.role!r} is not one account.")
        secret_of(binding, "key")
        if not HOST_KEY.fullmatch(str(binding.ceiling.get("host_key", ""))):
            raise NotIssuable(PINS)
        host_of(need, binding, PINS)

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        name = secret_of(binding, "key")
        evidence = {
            "level": "key",
            "secret": name,
            "host": str(binding.ceiling["host"]),
            "user": binding.role,
            "host_key": str(binding.ceiling["host_key"]),
        }
        key = self.fetch(context.environment, name)
        return lent(
            lease_id, "git-key", f"key:{name}", at=at, ttl_s=ttl_s, evidence=evidence, material={"private_key": key}
        )
