"""`vault`: a token of one role, or a dynamic secret of one path, made by HashiCorp Vault (or OpenBao) for one run.

Source: the HTTP API's reference, pages AppRole, Token and /sys/leases.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import UUID

from procedures.credentials import placing
from procedures.credentials.sealed import Fetch, secret_of
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.leases import NotRenewable
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.rendering import ENV_NAME, FORBIDDEN_ENV
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable
from procedures.ssh.vault_http import Server, VaultRefused

ADDRESS = re.compile(r"^https://[A-Za-z0-9.:-]{1,80}$|^http://(localhost|127\.[0-9.]{1,12})(:[0-9]{1,5})?$")
NAME = re.compile(r"^[A-Za-z0-9_.-]{1,60}$")
PATH = re.compile(r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_.-]+){1,5}$")
SPARE_S = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where Vault is and how the issuer logs in; as words it is what a handle begins with."""

    environment: str
    secret: str
    address: str
    namespace: str

    def __str__(self) -> str:
        return " ".join(word or "-" for word in (self.environment, self.secret, self.address, self.namespace))


class Vault(Provider):
    """The ceiling: `{"address", "secret", "path"?, "env"?, "namespace"?}`.

    `secret` names a sealed JSON object, `{"role_id", "secret_id"}` or `{"token"}`. Without a `path` a run gets a token
    of the token role that is the binding's role; with one it gets what Vault makes there, and the path's last word is
    the role. `env` says which of its fields stands in which variable. `authority` is a file of CA certificates, if any.
    """

    kind: ClassVar[str] = "vault"
    min_ttl_s: ClassVar[int] = 5

    def __init__(self, fetch: Fetch, authority: Path) -> None:
        self.fetch, self.authority = fetch, authority
        self._logins: dict[Place, tuple[Secret, float]] = {}
        self._issued: dict[UUID, Lease] = {}
        self._lock = threading.Lock()

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        _place(binding)
        path = str(binding.ceiling.get("path", ""))
        if not NAME.fullmatch(binding.role) or binding.role == "root":
            raise NotIssuable(f"{binding.role!r} is not the name of one role.")
        if path and (not PATH.fullmatch(path) or path.startswith(("sys/", "auth/")) or ".." in path.split("/")):
            raise NotIssuable(f"ceiling.path: {path!r} is not the path of one dynamic secret.")
        if path and path.rpartition("/")[2] != binding.role:
            raise NotIssuable(f"ceiling.path: it ends in another role than {binding.role}.")
        for variable in _env(binding):
            if not ENV_NAME.fullmatch(variable) or FORBIDDEN_ENV.match(variable):
                raise NotIssuable(f"ceiling.env: {variable!r} is not the name of a variable that a step may have.")
        for field, bound in (("role", binding.role), ("path", path)):
            if (wanted := need.scope.get(field)) is not None and wanted != bound:
                raise NotIssuable(f"The procedure asks for the {field} {wanted}, the binding gives {bound}.")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        with self._lock:  # Vault knows no lease ids of ours: what was made for one is remembered until it is given back
            if (known := self._issued.get(lease_id)) is not None:
                return known
        make = self._secret_of if binding.ceiling.get("path") else self._token_of
        lease = make(context, binding, lease_id, at, ttl_s)
        with self._lock:
            self._issued = {key: one for key, one in self._issued.items() if one.expires_at > at} | {lease_id: lease}
        return lease

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        place, what, name = _read(handle)
        with self._lock:
            self._issued = {key: one for key, one in self._issued.items() if one.handle != handle}
        if what == "lease":
            self._ask(place, "PUT", "sys/leases/revoke", {"lease_id": name})
            return "revoked"
        try:
            self._ask(place, "POST", "auth/token/revoke-accessor", {"accessor": name})
        except VaultRefused as problem:
            if "invalid accessor" in problem.message:
                return "already-gone"
            raise
        return "revoked"

    def renew(self, handle: str, *, ttl_s: int) -> datetime:
        """A dynamic secret alone. A token that can be renewed can be renewed by whoever holds it: those are not."""
        place, what, name = _read(handle)
        if what != "lease":
            raise NotRenewable("A token of Vault that is lent ends by its time.")
        asked = now()
        said = self._ask(place, "PUT", "sys/leases/renew", {"lease_id": name, "increment": ttl_s})
        return asked + timedelta(seconds=min(ttl_s, int(said.get("lease_duration") or 0)))

    @classmethod
    def put(cls, lease: Lease, place: Mapping[str, str], value: Secret) -> None:
        placing.into_vault(lease, place, value)

    def _token_of(self, context: RunContext, binding: Binding, lease_id: UUID, at: datetime, ttl_s: int) -> Lease:
        place = _place(binding)
        about = {"run": str(context.run_id), "requester": context.requester, "lease": str(lease_id)}
        body = {
            "ttl": f"{ttl_s}s",
            "explicit_max_ttl": f"{ttl_s}s",
            "renewable": False,
            "display_name": f"opsportal-{context.run_no}",
            "meta": {**about, "procedure": context.procedure, "digest": context.digest},
        }
        made = self._ask(place, "POST", f"auth/token/create/{binding.role}", body, lives=ttl_s).get("auth") or {}
        token, accessor = str(made.get("client_token", "")), str(made.get("accessor", ""))
        if not token or not accessor or "root" in (made.get("policies") or ()):
            raise VaultRefused("Vault made no token that is for this role alone.")
        secret = Secret(token.encode())
        lives = min(ttl_s, int(made.get("lease_duration") or ttl_s))
        told = {"role": binding.role, "accessor": accessor, "policies": sorted(made.get("policies") or ())}
        env: dict[str, str | Secret] = {"VAULT_ADDR": place.address, "VAULT_TOKEN": secret}
        if place.namespace:
            env["VAULT_NAMESPACE"] = place.namespace
        material = {"token": secret}
        made = _lease(lease_id, f"{place} token {accessor}", context, at, lives, told, material, env)
        if self.authority.exists():  # whose certificates Vault shows is no secret; tools read it as a file
            made.files = {placing.VAULT_CA: Secret(self.authority.read_bytes())}
        return made

    def _secret_of(self, context: RunContext, binding: Binding, lease_id: UUID, at: datetime, ttl_s: int) -> Lease:
        place, path = _place(binding), str(binding.ceiling["path"])
        said = self._ask(place, "GET", path, lives=ttl_s)
        name, data = str(said.get("lease_id", "")), said.get("data") or {}
        if not name:
            raise VaultRefused(f"{path} is no dynamic secret: Vault gave it without a lease.")
        if len(name) > 150:
            self._ask(place, "PUT", "sys/leases/revoke", {"lease_id": name})
            raise VaultRefused(f"The name of Vault's lease of {path} is too long to be kept.")
        material = {key: Secret(str(value).encode()) for key, value in data.items() if value is not None}
        wanted = _env(binding)
        if lacking := [field for field in wanted.values() if field not in material]:
            self._ask(place, "PUT", "sys/leases/revoke", {"lease_id": name})
            raise VaultRefused(f"{path} gave no {lacking[0]}; it gave {', '.join(sorted(material))}.")
        env: dict[str, str | Secret] = {variable: material[field] for variable, field in wanted.items()}
        lives = min(ttl_s, int(said.get("lease_duration") or ttl_s))
        told = {"role": binding.role, "path": path, "vault_lease": name}
        made = _lease(lease_id, f"{place} lease {name}", context, at, lives, told, material, env)
        made.renewable = said.get("renewable") is True
        return made

    def _ask(
        self, place: Place, method: str, path: str, body: Mapping[str, Any] | None = None, *, lives: float = 0.0
    ) -> Mapping[str, Any]:
        """Vault's answer, under a login that outlives what is made by `lives` seconds. Raises VaultRefused."""
        with self._lock:
            token, until = self._logins.get(place, (None, 0.0))
        if token is None or until < time.monotonic() + lives + SPARE_S:
            token = self._log_in(place)
        try:
            return self._sent(place, method, path, body, token)
        except VaultRefused as problem:
            if "answered 403" not in problem.message:
                raise
            return self._sent(place, method, path, body, self._log_in(place))

    def _log_in(self, place: Place) -> Secret:
        try:
            given = json.loads(self.fetch(place.environment, place.secret).reveal())
            given = given if isinstance(given, dict) else {}
        except ValueError:
            given = {}
        if isinstance(given.get("token"), str):
            return Secret(given["token"].encode())
        if not {"role_id", "secret_id"} <= set(given):
            raise VaultRefused(f"The secret {place.secret} is no JSON object with role_id and secret_id, or token.")
        body = {key: str(given[key]) for key in ("role_id", "secret_id")}
        made = self._sent(place, "POST", "auth/approle/login", body, None).get("auth") or {}
        token = Secret(str(made.get("client_token", "")).encode())
        with self._lock:
            self._logins[place] = (token, time.monotonic() + float(made.get("lease_duration") or 0))
        return token

    def _sent(
        self, place: Place, method: str, path: str, body: Mapping[str, Any] | None, token: Secret | None
    ) -> Mapping[str, Any]:
        return Server(place.address, place.namespace, self.authority).ask(method, path, body, token)


def _lease(
    lease_id: UUID,
    handle: str,
    context: RunContext,
    at: datetime,
    lives: int,
    evidence: dict[str, Any],
    material: Mapping[str, Secret],
    env: Mapping[str, str | Secret],
) -> Lease:
    return Lease(
        id=lease_id,
        provider="vault",
        target=context.target.name if context.target else None,
        handle=handle,
        issued_at=at,
        expires_at=at + timedelta(seconds=lives),
        renewable=False,
        self_expiring=True,
        kills_sessions=True,
        evidence=evidence,
        material=material,
        env=env,
    )


def _place(binding: Binding) -> Place:
    given = binding.ceiling
    address, namespace = str(given.get("address", "")), str(given.get("namespace", ""))
    if not ADDRESS.fullmatch(address):
        raise NotIssuable("ceiling.address: an https address without a path, as in https://vault.example.com:8200.")
    if namespace and not NAME.fullmatch(namespace):
        raise NotIssuable("ceiling.namespace: one namespace.")
    secret = secret_of(binding, "login")
    if len(secret) > 40:
        raise NotIssuable("ceiling.secret: the name is too long to be kept.")
    return Place(binding.environment, secret, address, namespace)


def _env(binding: Binding) -> Mapping[str, str]:
    """Variable → field of what Vault makes."""
    given = binding.ceiling.get("env", {})
    if not isinstance(given, Mapping) or not all(isinstance(field, str) for field in given.values()):
        raise NotIssuable("ceiling.env: variables with the names of fields.")
    return given


def _read(handle: str) -> tuple[Place, str, str]:
    *words, what, name = handle.split(" ")
    return Place(*("" if word == "-" else word for word in words)), what, name
