"""A server of Vault's HTTP protocol, written from its reference: logins, token roles, one database engine, leases."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from procedures.credentials.vault import Vault
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease
from procedures.domain.secrets import Secret
from tests.credentials.vault_ssh import SshEngine
from tests.postgres.conftest import context

ROLE_ID, SECRET_ID = "role-1", "secret-1"
ISSUERS = frozenset({"issuer"})


@dataclass(slots=True)
class Token:
    policies: list[str]
    accessor: str
    until: float
    meta: Mapping[str, str]

    @property
    def lives(self) -> bool:
        return time.time() < self.until


@dataclass(slots=True)
class FakeVault:
    """What it holds: tokens by value, leases of database logins by name, and what was asked of it."""

    url: str = ""
    tokens: dict[str, Token] = field(default_factory=dict)
    leases: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    sealed: bool = False
    login_s: int = 3600
    stored: dict[str, list[dict[str, str]]] = field(default_factory=dict)  # versions of what lies in its KV engine
    ssh: SshEngine = field(default_factory=SshEngine)
    races: bool = False  # somebody else makes each secret between being asked for it and being told to make it

    def token(self, policies: list[str], seconds: float, meta: Mapping[str, str] | None = None) -> dict[str, Any]:
        value, accessor = f"hvs.{uuid4().hex}", uuid4().hex
        self.tokens[value] = Token(policies, accessor, time.time() + seconds, meta or {})
        auth = {"client_token": value, "accessor": accessor, "policies": policies, "metadata": meta}
        return {"auth": {**auth, "lease_duration": int(seconds), "renewable": False}}

    def answer(self, method: str, path: str, body: Any, token: str) -> tuple[int, dict[str, Any]]:
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if path == "auth/approle/login":
            if body != {"role_id": ROLE_ID, "secret_id": SECRET_ID}:
                return 400, {"errors": ["invalid role or secret ID"]}
            return 200, self.token(["issuer"], self.login_s)
        who = self.tokens.get(token)
        if path.startswith("secret/data/"):
            return self.written(method, path.removeprefix("secret/data/"), body, who)
        if who is None or not who.lives or not ISSUERS & set(who.policies):
            return 403, {"errors": ["permission denied"]}
        if path.startswith("ssh/"):
            return self.ssh.answer(method, path.removeprefix("ssh/"), body)
        return self.known(method, path, body)

    def written(self, method: str, name: str, body: Any, who: Token | None) -> tuple[int, dict[str, Any]]:
        """KV version 2: `PATCH` merges into what is there, `POST` with `cas: 0` makes what is not."""
        if who is None or not who.lives or "deploy" not in who.policies or not name.startswith("teams/payments/"):
            return 403, {"errors": ["1 error occurred: permission denied"]}
        versions = self.stored.get(name, [])
        if method == "PATCH" and not versions:
            if self.races:
                self.stored[name] = [{"theirs": "x"}]
            return 404, {"errors": []}
        if method == "POST" and self.stored.get(name) and body["options"] == {"cas": 0}:
            return 400, {"errors": ["check-and-set parameter did not match the current version"]}
        now = {**(versions[-1] if versions and method == "PATCH" else {}), **body["data"]}
        self.stored.setdefault(name, []).append(now)
        return 200, {"data": {"version": len(self.stored[name])}}

    def known(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        if (method, path) == ("POST", "auth/token/create/deploy"):
            return 200, self.token(["default", "deploy"], float(body["ttl"].removesuffix("s")), body["meta"])
        if (method, path) == ("POST", "auth/token/create/everything"):
            return 200, self.token(["root"], 60)
        if (method, path) == ("POST", "auth/token/revoke-accessor"):
            found = [value for value, one in self.tokens.items() if one.accessor == body["accessor"]]
            if not found:
                return 400, {"errors": ["invalid accessor"]}
            del self.tokens[found[0]]
            return 204, {}
        if (method, path) == ("GET", "database/creds/reader"):
            name = f"database/creds/reader/{uuid4().hex}"
            self.leases[name] = {"username": f"v-{uuid4().hex[:8]}", "password": uuid4().hex}
            return 200, {"lease_id": name, "lease_duration": 3600, "renewable": True, "data": self.leases[name]}
        if (method, path) == ("GET", "secret/reader"):
            return 200, {"lease_id": "", "lease_duration": 2764800, "data": {"password": "static"}}
        if (method, path) == ("PUT", "sys/leases/revoke"):
            self.leases.pop(body["lease_id"], None)
            return 204, {}
        return self.renewed(body) if (method, path) == ("PUT", "sys/leases/renew") else (404, {"errors": []})

    def renewed(self, body: Any) -> tuple[int, dict[str, Any]]:
        if body["lease_id"] not in self.leases:
            return 400, {"errors": ["lease not found"]}
        lives = min(body["increment"], 3600)
        return 200, {"lease_id": body["lease_id"], "renewable": True, "lease_duration": lives}


@contextmanager
def fake_vault() -> Iterator[FakeVault]:
    vault = FakeVault()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            path = self.path.removeprefix("/v1/")
            vault.asked.append((self.command, path, body))
            status, said = vault.answer(self.command, path, body, self.headers.get("X-Vault-Token", ""))
            raw = b"" if status == 204 else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815 - named by the library

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    vault.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()


NEED = CredentialNeed("vault", "vault", {}, 300)
DYNAMIC = {"path": "database/creds/reader", "env": {"PGUSER": "username", "PGPASSWORD": "password"}}


@dataclass(slots=True)
class Place:
    """A Vault and the provider of an issuer that logs in by AppRole."""

    vault: FakeVault
    login: bytes
    provider: Vault = field(init=False)

    def __post_init__(self) -> None:
        self.provider = Vault(lambda environment, name: Secret(self.login), Path("/nonexistent"))

    def binding(self, role: str = "deploy", **changes: Any) -> Binding:
        ceiling = {"address": self.vault.url, "secret": "approle", **changes}
        return Binding("staging", "vault", "vault", role, ceiling, 600, {}, "sha256:x")

    def lend(self, role: str = "deploy", *, lease: UUID | None = None, ttl_s: int = 60, **changes: Any) -> Lease:
        return self.provider.issue(
            context(), NEED, self.binding(role, **changes), lease or uuid4(), at=now(), ttl_s=ttl_s
        )

    def count(self, path: str) -> int:
        return sum(asked == path for _, asked, _ in self.vault.asked)


@contextmanager
def a_place() -> Iterator[Place]:
    with fake_vault() as vault:
        yield Place(vault, json.dumps({"role_id": ROLE_ID, "secret_id": SECRET_ID}).encode())
