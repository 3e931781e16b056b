"""`POST /hooks/git/NAME`: a forge says that something was pushed; the portal looks for itself."""

from __future__ import annotations

import secrets

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from procedures.domain.clock import now
from procedures.domain.pushes import MAX_BODY, is_signed, push_of
from procedures.queries.sources import hook_secret
from procedures.services import sources


@csrf_exempt
@require_POST
def pushed(request: HttpRequest, name: str) -> JsonResponse:
    """202 for a signed push, 403 alike for a wrong signature and a name that is not there."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        return JsonResponse({"detail": "The body is larger than 8 MiB."}, status=413)
    headers = {key.lower(): value for key, value in request.headers.items()}
    secret = hook_secret(name)
    signed = is_signed(secret or secrets.token_hex(32), headers, request.body)
    if secret is None or not signed:
        return JsonResponse({"detail": "The signature is missing or wrong."}, status=403)
    fresh = sources.taken(name=name, push=push_of(headers, request.body), at=now())
    return JsonResponse({"taken": fresh}, status=202)
