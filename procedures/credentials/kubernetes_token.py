"""`kubernetes-token`: a token of one service account, bound to an object that is made for one step and gone after it.

Source: Kubernetes' API reference, TokenRequest (authentication.k8s.io/v1) and Secret (v1).
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import UUID

from procedures.credentials import placing
from procedures.credentials.kubernetes_api import (
    NAME,
    SERVER,
    KubernetesRefused,
    ObjectMissing,
    ObjectNameTaken,
    Place,
    asked,
)
from procedures.credentials.sealed import Fetch, secret_of, variable_of
from procedures.domain.canonical import moment
from procedures.domain.definition import CredentialNeed
from procedures.domain.identity_tokens import AUDIENCE
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable

SHORTEST_S = 600  # the API server refuses less
KUBECONFIG = "KUBECONFIG"
LONGEST_PLACE = 230


class KubernetesToken(Provider):
    """The role is the service account. The ceiling: `{"server", "namespace", "secret", "audience"?, "file"?}`.

    `secret` names a sealed JSON object `{"token"}` of the issuer's own identity. Programs get a kubeconfig; with an
    `audience` the token is for somebody else than the API server, and lies in a file that the variable `file` names.
    `authority` is a file of CA certificates, if any.
    """

    kind: ClassVar[str] = "kubernetes"
    min_ttl_s: ClassVar[int] = SHORTEST_S

    def __init__(self, fetch: Fetch, authority: Path) -> None:
        self.fetch, self.authority = fetch, authority
        self._issued: dict[UUID, Lease] = {}
        self._lock = threading.Lock()

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        place, audience = _place(binding), binding.ceiling.get("audience")
        if not NAME.fullmatch(binding.role) or binding.role == "default":
            raise NotIssuable(f"{binding.role!r} is not the name of a service account of its own.")
        if min(need.ttl_s, binding.max_ttl_s) < SHORTEST_S:
            raise NotIssuable("Kubernetes lends for 10 minutes at least: let the credential's ttl be 10m or more.")
        if audience is not None:
            if not isinstance(audience, str) or not AUDIENCE.fullmatch(audience):
                raise NotIssuable(f"ceiling.audience: {audience!r} is not one audience.")
            variable_of(binding, "file")
        for field, bound in (("account", binding.role), ("namespace", place.namespace), ("audience", audience)):
            if (wanted := need.scope.get(field)) is not None and wanted != bound:
                raise NotIssuable(f"The procedure asks for the {field} {wanted}, the binding gives {bound}.")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        with self._lock:
            if (known := self._issued.get(lease_id)) is not None:
                return known
        place, name = _place(binding), _name(lease_id)
        bound = self._bound(place, name, context)
        try:
            made = self._made(context, binding, lease_id, bound, at, ttl_s)
        except BaseException:
            with suppress(KubernetesRefused):  # what is left now holds nothing: its token is in nobody's hands
                self._ask(place, "DELETE", f"secrets/{name}")
            raise
        with self._lock:
            self._issued = {key: one for key, one in self._issued.items() if one.expires_at > at} | {lease_id: made}
        return made

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        """The API server refuses the token once its object is gone; another audience asks nobody until it expires."""
        place, party, name = _read(handle)
        with self._lock:
            self._issued = {key: one for key, one in self._issued.items() if one.handle != handle}
        try:
            self._ask(place, "DELETE", f"secrets/{name}")
        except ObjectMissing:
            return "already-gone" if party == "server" else "expires-only"
        return "revoked" if party == "server" else "expires-only"

    def unmade(self, binding: Binding, lease_id: UUID) -> bool:
        """The object's name follows from the lease: the issuer, which may list nothing, finds it all the same."""
        try:
            self._ask(_place(binding), "DELETE", f"secrets/{_name(lease_id)}")
        except ObjectMissing:
            return False
        return True

    @classmethod
    def put(cls, lease: Lease, place: Mapping[str, str], value: Secret) -> None:
        placing.into_kubernetes(lease, place, value)

    def _bound(self, place: Place, name: str, context: RunContext) -> Mapping[str, Any]:
        """A Secret without a word in it, which says whose it is and which tokens die with."""
        about = {"run": str(context.run_id), "step": context.step, "requester": context.requester}
        about |= {"procedure": context.procedure, "digest": context.digest}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "immutable": True,
            "metadata": {
                "name": name,
                "labels": {"app.kubernetes.io/managed-by": "opsportal"},
                "annotations": {f"opsportal/{key}": value for key, value in about.items()},
            },
        }
        try:
            made = self._ask(place, "POST", "secrets", body)
        except ObjectNameTaken:  # of a try that never came to its end: what was made then dies now
            self._ask(place, "DELETE", f"secrets/{name}")
            made = self._ask(place, "POST", "secrets", body)
        return {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": str(made["metadata"]["uid"])}

    def _made(
        self,
        context: RunContext,
        binding: Binding,
        lease_id: UUID,
        bound: Mapping[str, Any],
        at: datetime,
        ttl_s: int,
    ) -> Lease:
        place, audience = _place(binding), binding.ceiling.get("audience")
        spec = {"expirationSeconds": max(ttl_s, SHORTEST_S), "boundObjectRef": dict(bound)}
        spec |= {"audiences": [audience]} if audience else {}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        said = self._ask(place, "POST", f"serviceaccounts/{binding.role}/token", body).get("status", {})
        token, until = str(said.get("token", "")), str(said.get("expirationTimestamp", ""))
        if not token or not until:
            raise KubernetesRefused("Kubernetes made no token that ends.")
        party, secret = "other" if audience else "server", Secret(token.encode())
        told = {"server": place.server, "namespace": place.namespace, "account": binding.role, "bound": bound["name"]}
        return Lease(
            id=lease_id,
            provider="kubernetes-token",
            target=context.target.name if context.target else None,
            handle=f"{place} {party} {bound['name']}",
            issued_at=at,
            expires_at=datetime.fromisoformat(until),  # the server may give longer than it was asked for
            renewable=False,
            self_expiring=True,
            kills_sessions=party == "server",
            evidence=told | {"audience": audience or "", "expires": moment(datetime.fromisoformat(until))},
            material={"token": secret},
            files=self._files(place, binding, secret),
        )

    def _files(self, place: Place, binding: Binding, token: Secret) -> Mapping[str, Secret]:
        if "audience" in binding.ceiling:
            return {variable_of(binding, "file"): token}
        cluster = {"server": place.server}
        if self.authority.exists():
            cluster["certificate-authority-data"] = base64.b64encode(self.authority.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "run",
            "clusters": [{"name": "run", "cluster": cluster}],
            "users": [{"name": "run", "user": {"token": token.reveal().decode()}}],
            "contexts": [{"name": "run", "context": {"cluster": "run", "user": "run", "namespace": place.namespace}}],
        }
        return {KUBECONFIG: Secret(json.dumps(config).encode())}

    def _ask(self, place: Place, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return asked(place, self.fetch, self.authority, method, path, body)


def _name(lease_id: UUID) -> str:
    return f"opsportal-{lease_id.hex}"


def _place(binding: Binding) -> Place:
    server, namespace = (str(binding.ceiling.get(name, "")) for name in ("server", "namespace"))
    if not SERVER.fullmatch(server):
        raise NotIssuable("ceiling.server: an https address without a path, as in https://k8s.example.com:6443.")
    if not NAME.fullmatch(namespace) or namespace.startswith("kube-"):
        raise NotIssuable("ceiling.namespace: one namespace, and none of Kubernetes' own.")
    place = Place(binding.environment, secret_of(binding, "login"), server, namespace)
    if len(str(place)) > LONGEST_PLACE:
        raise NotIssuable("The names of environment, secret, server and namespace are too long to be kept.")
    return place


def _read(handle: str) -> tuple[Place, str, str]:
    *words, party, name = handle.split(" ")
    return Place(*words), party, name
