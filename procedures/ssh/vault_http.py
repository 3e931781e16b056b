"""One question to Vault (or OpenBao) over HTTP, for its secrets and for its SSH engine alike."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from procedures.domain.errors import OpsError
from procedures.domain.secrets import Secret

TIMEOUT_S = 10.0


class VaultRefused(OpsError):
    """Vault gave nothing, or could not be asked."""

    code = "vault.refused"
    next_step = "Look at the policies of the issuer's own role in Vault, and whether Vault is unsealed."


@dataclass(frozen=True, slots=True)
class Server:
    """Where Vault listens; `authority` is a file of CA certificates, if it is there, else the system's count."""

    address: str
    namespace: str
    authority: Path

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None, token: Secret | None) -> Mapping[str, Any]:
        """Its answer as JSON. Raises VaultRefused."""
        import httpx

        headers = {"X-Vault-Request": "true"}
        headers |= {"X-Vault-Namespace": self.namespace} if self.namespace else {}
        headers |= {"X-Vault-Token": token.reveal().decode()} if token else {}
        try:
            answer = httpx.request(
                method,
                f"{self.address}/v1/{path}",
                json=body,
                headers=headers,
                timeout=TIMEOUT_S,
                verify=self._trusting(),
                trust_env=False,
            )
            said = answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError) as problem:
            raise VaultRefused(f"Vault at {self.address} did not answer: {type(problem).__name__}.") from None
        if not 200 <= answer.status_code < 300 or not isinstance(said, dict):
            errors = said.get("errors") if isinstance(said, dict) else None
            words = "; ".join(map(str, errors or ()))
            raise VaultRefused(f"Vault answered {answer.status_code} to {method} {path}: {words}"[:500])
        return said

    def _trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority) if self.authority.exists() else None)
