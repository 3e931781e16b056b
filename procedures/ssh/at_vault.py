"""An authority whose key lies in Vault's SSH secrets engine: it signs, and what it answers is looked at like any other.

Source: the HTTP API's reference, page "SSH secrets engine", Sign SSH key and Read CA public key; page AppRole, Login.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from procedures.domain.secrets import Secret
from procedures.ssh.certifying import AuthorityAway, SshAuthority, Wanted
from procedures.ssh.vault_http import Server, VaultRefused

SCHEME = "vault:"
PLACE = re.compile(
    r"vault:(?P<address>https://[A-Za-z0-9.:-]{1,80}|http://(?:localhost|127\.[0-9.]{1,12})(?::[0-9]{1,5})?)"
    r"/(?P<mount>[A-Za-z0-9_-]{1,60})/sign/(?P<role>[A-Za-z0-9_-]{1,60})(?:\?(?P<more>.*))?"
)
LOGIN, TRUSTED = "vault-ssh.json", "vault-ca.pem"
SPARE_S = 30.0  # a login that ends sooner is made anew
CLOCKS_S = 5  # by so much Vault's clock may be ahead


@dataclass(frozen=True, slots=True)
class Place:
    server: Server
    mount: str
    role: str
    login: Path


def place_of(uri: str, folder: Path) -> Place:
    """What "vault:https://HOST:8200/MOUNT/sign/ROLE[?namespace=N&login=FILE]" says. Raises AuthorityAway."""
    found = PLACE.fullmatch(uri)
    more = dict(parse_qsl(found["more"] or "")) if found else {}
    if found is None or set(more) - {"namespace", "login"}:
        raise AuthorityAway(
            f"{uri!r} is no place of an authority: vault:https://HOST:8200/MOUNT/sign/ROLE, and namespace or login "
            "after a question mark."
        )
    server = Server(found["address"], more.get("namespace", ""), folder / TRUSTED)
    return Place(server, found["mount"], found["role"], Path(more.get("login") or folder / LOGIN))


class VaultAuthority(SshAuthority):
    """Logs in by the AppRole, or with the token, of a file that the issuer alone reads."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._token: tuple[Secret, float] | None = None
        self._public = ""

    @property
    def public(self) -> str:
        """As Vault said it first: a key that changes under way is another authority, whose certificates are refused."""
        with self._lock:
            if not self._public:
                said = self._asked("GET", f"{self.place.mount}/config/ca", None).get("data") or {}
                self._public = " ".join(str(said.get("public_key", "")).split()[:2])
            return self._public

    def signed(self, wanted: Wanted) -> str:
        lives = int(wanted.until.timestamp() - time.time()) - CLOCKS_S
        body = {
            "public_key": wanted.public,
            "cert_type": wanted.kind,
            "valid_principals": ",".join(wanted.principals),
            "key_id": wanted.key_id,
            "ttl": f"{max(1, lives)}s",
            "critical_options": dict(wanted.options),
            "extensions": dict.fromkeys(wanted.extensions, ""),
        }
        with self._lock:
            said = self._asked("POST", f"{self.place.mount}/sign/{self.place.role}", body).get("data") or {}
        return str(said.get("signed_key", ""))

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
        try:
            try:
                return self.place.server.ask(method, path, body, self._login())
            except VaultRefused as problem:
                if "answered 403" not in problem.message:
                    raise
                self._token = None  # it may have been revoked: once more, with a fresh one
                return self.place.server.ask(method, path, body, self._login())
        except VaultRefused as problem:
            raise AuthorityAway(problem.message) from problem

    def _login(self) -> Secret:
        if self._token is not None and time.monotonic() < self._token[1] - SPARE_S:
            return self._token[0]
        given = _read(self.place.login)
        if "token" in given:
            return Secret(given["token"].encode())
        made = self.place.server.ask("POST", "auth/approle/login", given, None).get("auth") or {}
        token = Secret(str(made.get("client_token", "")).encode())
        self._token = (token, time.monotonic() + float(made.get("lease_duration") or 0))
        return token


def _read(file: Path) -> dict[str, str]:
    try:
        given = json.loads(file.read_text())
        fine = set(given) in ({"role_id", "secret_id"}, {"token"}) and all(isinstance(v, str) for v in given.values())
    except (OSError, ValueError, TypeError):
        given, fine = {}, False
    if not fine:
        raise AuthorityAway(f"{file} must hold a JSON object with role_id and secret_id, or with token, for Vault.")
    return dict(given)
