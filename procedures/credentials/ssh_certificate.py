"""`ssh-certificate`: a certificate per run, step and host, bound to one command and one address, for minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Literal
from uuid import UUID

from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable, key_id, require_account
from procedures.ssh.authority import issue, mark_of
from procedures.ssh.places import authorities
from procedures.ssh.stub import command


class SshCertificate(Provider):
    """`keys` is the folder with `ssh-ca-<environment>`; `source` the address that targets see the runner under."""

    kind: ClassVar[str] = "ssh"
    min_ttl_s: ClassVar[int] = 5

    def __init__(self, keys: Path, source: str = "") -> None:
        self.keys, self.source = keys, source

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        require_account(need, binding)

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        if context.target is None or context.command_sha256 is None:
            raise NotIssuable("A certificate is issued for one command on one target.")
        until = at + timedelta(seconds=ttl_s)
        about = key_id(context)
        options = {"force-command": command(context.command_sha256, context.timeout_s)}
        if self.source:
            options["source-address"] = self.source
        principal = f"{binding.role}@{context.target.name}"
        issued = issue(
            authorities(self.keys)(context.environment),
            principals=[principal],
            key_id=about,
            options=options,
            at=at,
            until=until,
        )
        return Lease(
            id=lease_id,
            provider="ssh-certificate",
            target=context.target.name,
            handle=str(issued.serial),
            issued_at=at,
            expires_at=until,
            renewable=False,
            self_expiring=True,
            kills_sessions=False,
            evidence={
                "level": "certificate",
                "serial": str(issued.serial),
                "key_id": about,
                "key": mark_of(issued.private_key),
                "principal": principal,
                "account": binding.role,
                "command_sha256": context.command_sha256,
                "source": self.source,
            },
            material={
                "private_key": Secret(issued.private_key),
                "certificate": Secret(issued.certificate),
            },
        )

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        return "expires-only"
