"""Vault's SSH secrets engine as its API reference has it: one authority, roles, Sign SSH key, Read CA public key."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.ssh.certifying import KeyAuthority, Wanted

ROLES: Mapping[str, Mapping[str, Any]] = {
    "ops": {"default_extensions": (), "max_ttl": 61 * 86_400},
    "careless": {"default_extensions": ("permit-pty",), "max_ttl": 61 * 86_400},
    "short": {"default_extensions": (), "max_ttl": 20},
}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


@dataclass(slots=True)
class SshEngine:
    """`changes` are words of a certificate that differ from what was asked for: a careless role, or a hostile Vault."""

    authority: KeyAuthority = field(default_factory=lambda: KeyAuthority(Ed25519PrivateKey.generate()))
    shown: str = ""
    changes: dict[str, Any] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        if (method, path) == ("GET", "config/ca"):
            return 200, {"data": {"public_key": (self.shown or self.authority.public) + "\n"}}
        verb, _, name = path.partition("/")
        if method != "POST" or verb != "sign":
            return 404, {"errors": []}
        role = ROLES.get(name)
        if role is None:
            return 400, {"errors": [f'unknown role: "{name}"']}
        line = self.authority.signed(self.wanted(role, body))
        return 200, {"data": {"serial_number": "c73f26d2340276aa", "signed_key": f"{line}\n"}}

    def wanted(self, role: Mapping[str, Any], body: Mapping[str, Any]) -> Wanted:
        """A role's default extensions stand where none are asked for; its longest life ends every other."""
        now = time.time()
        words: dict[str, Any] = {
            "kind": body["cert_type"],
            "public": body["public_key"],
            "principals": body["valid_principals"].split(","),
            "key_id": body["key_id"],
            "at": datetime.fromtimestamp(now, UTC),
            "until": datetime.fromtimestamp(now + min(seconds(body["ttl"]), role["max_ttl"]), UTC),
            "options": body["critical_options"],
            "extensions": tuple(body["extensions"]) or role["default_extensions"],
        }
        return Wanted(**{**words, **self.changes})
