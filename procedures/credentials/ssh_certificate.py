"""`ssh-certificate`: a certificate per run, step and host, bound to one command and one address, for minutes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Literal
from uuid import UUID

from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import ACCOUNT, NotIssuable
from procedures.ssh.authority import issue, load_ca
from procedures.ssh.stub import command

_UNSAFE = re.compile(r"[^A-Za-z0-9._:@-]")


class SshCertificate(Provider):
    """`keys` is the folder with `ssh-ca-<environment>`; `source` the address that targets see the runner under."""

    kind: ClassVar[str] = "ssh"
    min_ttl_s: ClassVar[int] = 5

    def __init__(self, keys: Path, source: str = "") -> None:
        self.keys, self.source = keys, source

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        if not ACCOUNT.fullmatch(binding.role):
            raise NotIssuable(f"{binding.role!r} is not one account.")
        wanted = need.scope.get("account")
        if wanted is not None and wanted != binding.role:
            raise NotIssuable(f"The procedure asks for the account {wanted}, the binding gives {binding.role}.")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        if context.target is None or context.command_sha256 is None:
            raise NotIssuable("A certificate is issued for one command on one target.")
        until = at + timedelta(seconds=ttl_s)
        key_id = " ".join(
            f"{name}={_UNSAFE.sub('_', value)}"
            for name, value in (
                ("run", str(context.run_id)),
                ("no", str(context.run_no)),
                ("step", context.step),
                ("host", context.target.name),
                ("requester", context.requester),
                ("approvers", ",".join(context.approvers) or "none"),
                ("procedure", context.procedure),
            )
        )
        options = {"force-command": command(context.command_sha256, context.timeout_s)}
        if self.source:
            options["source-address"] = self.source
        principal = f"{binding.role}@{context.target.name}"
        issued = issue(
            load_ca(self.keys / f"ssh-ca-{context.environment}"),
            principals=[principal],
            key_id=key_id,
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
                "serial": str(issued.serial),
                "key_id": key_id,
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
