"""A Kubernetes API server as the issuer reaches it: three requests over TLS, each with an end."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from procedures.credentials.sealed import Fetch
from procedures.domain.errors import OpsError

SERVER = re.compile(r"^https://[A-Za-z0-9.:\[\]-]{1,70}$")
NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
TIMEOUT_S = 10.0


class KubernetesRefused(OpsError):
    """The API server gave nothing, or could not be asked."""

    code = "kubernetes.refused"
    next_step = "Ask `opsportal cluster check` whether the issuer's identity may there what it needs."


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster and namespace, and whose token the issuer shows; as words it is what a handle begins with."""

    environment: str
    secret: str
    server: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.environment} {self.secret} {self.server} {self.namespace}"


def asked(
    place: Place, fetch: Fetch, authority: Path, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the server answers to a request below the place's namespace. Raises KubernetesRefused."""
    return sent(
        place.server, _token(place, fetch), authority, method, f"/api/v1/namespaces/{place.namespace}/{path}", body
    )


def sent(
    server: str, token: str, authority: Path, method: str, path: str, body: Mapping[str, Any] | None
) -> dict[str, Any]:
    """One request with a bearer token; the server shows a certificate that this authority made, or the system's.

    No redirect is followed: a token goes to the server that was named (H39). Raises KubernetesRefused.
    """
    import httpx

    try:
        answer = httpx.request(
            method,
            f"{server}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=TIMEOUT_S,
            verify=ssl.create_default_context(cafile=str(authority) if authority.exists() else None),
            trust_env=False,
        )
        said = answer.json() if answer.content else {}
    except (httpx.HTTPError, ValueError) as problem:
        raise KubernetesRefused(f"Kubernetes at {server} did not answer: {type(problem).__name__}.") from None
    if answer.is_success and isinstance(said, dict):
        return said
    words = str(said.get("message", "")) if isinstance(said, dict) else ""
    kind = {404: ObjectMissing, 409: ObjectNameTaken}.get(answer.status_code, KubernetesRefused)
    raise kind(f"Kubernetes answered {answer.status_code} to {method} {path}: {words}"[:500])


class ObjectMissing(KubernetesRefused):
    """There is no such thing there."""

    code = "kubernetes.missing"
    next_step = "Look whether somebody deleted it: what the issuer makes there is its own."


class ObjectNameTaken(KubernetesRefused):
    """Something of this name is there already."""

    code = "kubernetes.taken"
    next_step = "Look who makes Secrets named opsportal-… in that namespace."


def _token(place: Place, fetch: Fetch) -> str:
    try:
        given = json.loads(fetch(place.environment, place.secret).reveal())
    except ValueError:
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("token"), str):
        raise KubernetesRefused(f"The secret {place.secret} is no JSON object with token.")
    token: str = given["token"].strip()
    return token
