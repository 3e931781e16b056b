"""/scim/v2: one request of a directory, by a token for this door alone (H33), at a bearable pace.

The protocol's libraries take a second to load, so they are loaded when the first directory comes with its token.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from procedures import access
from procedures.domain import limits
from procedures.domain.clock import now
from procedures.domain.pace import Pace
from procedures.models import ApiToken, IdentityProvider
from procedures.services import identity_providers, tokens, unit

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
MOST = limits.DIRECTORY_BODY_BYTES
pace = Pace(limits.DIRECTORY_CALLS_A_MINUTE)


@csrf_exempt
def scim(request: HttpRequest, rest: str = "") -> HttpResponse:
    """One request of a directory. GET, POST, PUT, PATCH and DELETE, as the path says."""
    mark = unit.door.set("scim")
    try:
        return _answered(request, rest)
    finally:
        unit.door.reset(mark)


def _answered(request: HttpRequest, rest: str) -> HttpResponse:
    token, provider = _directory(request)
    if token is None or provider is None:
        why = "The token is missing, unknown or for another door, or it has ended."
        return _error(401, why, {"WWW-Authenticate": 'Bearer realm="opsportal-scim"'})
    if not pace.allows(str(token.pk), time.monotonic()):
        why = f"More than {limits.DIRECTORY_CALLS_A_MINUTE:,} requests within a minute. Go on in a minute."
        return _error(429, why, {"Retry-After": "60"})
    body: bytes = request.read(MOST + 1)
    if len(body) > MOST:
        return _error(413, f"A request holds at most {MOST // limits.MIB} MiB. Send several.")
    access.caller.set(tokens.caller_of(token))
    from procedures.scim import serving

    answer = serving.served(
        provider,
        method=str(request.method),
        url=f"{settings.OPSPORTAL_PUBLIC_URL}/scim/v2",
        path=f"/{rest}",
        query=request.GET.dict(),
        headers=dict(request.headers),
        body=body,
    )
    return _said(answer.status, None if request.method == "HEAD" else answer.body, answer.headers)


def _directory(request: HttpRequest) -> tuple[ApiToken | None, IdentityProvider | None]:
    """Whose token this is. One whose provider pushes nobody any more is as unknown as any other."""
    scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    audience = ApiToken.Audience.SCIM.value
    token = tokens.bearer(secret.strip(), at=now(), audience=audience) if scheme.lower() == "bearer" else None
    return token, identity_providers.of_directory(token.person) if token else None


def _error(status: int, detail: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return _said(status, {"schemas": [ERROR], "status": str(status), "detail": detail}, headers or {})


def _said(status: int, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> HttpResponse:
    given = {"Content-Type": "application/scim+json", **headers, "Cache-Control": "no-store"}
    return HttpResponse(b"" if body is None else json.dumps(body).encode(), status=int(status), headers=given)
