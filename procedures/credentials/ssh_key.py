"""`ssh-key`: a private key sealed to one pool, lent as far as each host trusts it; said to be weaker than certificates.

At level *key* the key itself; at *restricted* one that runs what the issuer signed; at *certificate* a certificate:
so one binding serves while hosts are brought from one level to the next.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from procedures.credentials.sealed import Fetch, Sealed, lent
from procedures.credentials.ssh_certificate import SshCertificate
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, RunContext, Target
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable, key_id, require_account
from procedures.ssh.authority import mark_of
from procedures.ssh.places import authorities
from procedures.ssh.restricted import signed

FIELDS = {"key": "secret", "restricted": "restricted"}  # what the ceiling calls the sealed key of a level


class SshKey(Sealed):
    """The ceiling: `{"secret": NAME, "restricted": NAME}`, at least one of them; the role is the account."""

    kind: ClassVar[str] = "ssh"

    def __init__(self, fetch: Fetch, keys: Path, source: str = "") -> None:
        super().__init__(fetch)
        self.keys, self.certificates = keys, SshCertificate(keys, source)

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        require_account(need, binding)
        if not any(isinstance(binding.ceiling.get(field), str) for field in FIELDS.values()):
            raise NotIssuable("The binding names no sealed key: ceiling.secret is missing.")

    def opens(self, binding: Binding, target: Target | None) -> str | None:
        name = binding.ceiling.get(FIELDS.get(target.trust, "")) if target else None
        return name if isinstance(name, str) else None

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        target = context.target
        if target is None:
            raise NotIssuable("A key is lent for one target.")
        if target.trust == "certificate":
            made = self.certificates.issue(context, need, binding, lease_id, at=at, ttl_s=ttl_s)
            return replace(made, provider="ssh-key")
        name = self.opens(binding, target)
        if name is None:
            raise NotIssuable(
                f"{target.name} is at the level {target.trust}, and ceiling.{FIELDS[target.trust]} names no sealed key."
            )
        material = {"private_key": self.fetch(context.environment, name)}
        evidence = {"level": target.trust, "account": binding.role, "secret": name}
        if mark := mark_of(material["private_key"].reveal()):  # by which the host's own log names it
            evidence["key"] = mark
        if target.trust == "restricted":
            material["statement"] = self._statement(context, binding, lease_id, at, ttl_s)
            evidence["command_sha256"] = str(context.command_sha256)
        return lent(
            lease_id,
            "ssh-key",
            f"key:{name}",
            target=target.name,
            at=at,
            ttl_s=ttl_s,
            evidence=evidence,
            material=material,
        )

    def _statement(self, context: RunContext, binding: Binding, lease: UUID, at: datetime, ttl_s: int) -> Secret:
        if context.target is None or context.command_sha256 is None:
            raise NotIssuable("A restricted key is lent for one command on one target.")
        return Secret(
            signed(
                authorities(self.keys)(context.environment).signing_key(),
                digest=context.command_sha256,
                limit_s=context.timeout_s,
                at=at,
                until=at + timedelta(seconds=ttl_s),
                principal=f"{binding.role}@{context.target.name}",
                lease=lease,
                about=key_id(context),
            )
        )
