"""Each environment as an OpenID provider of its runs: what it says of itself, and public keys. Nobody signs in here."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from procedures.domain.identity_tokens import discovery, issuer_of
from procedures.queries.identity_keys import shown_keys

KEPT_S = 300


@require_safe
def configuration(request: HttpRequest, environment: str) -> JsonResponse:
    """The discovery document (OpenID Connect Discovery 1.0, 4)."""
    _keys(environment)
    return _public(discovery(issuer_of(settings.OPSPORTAL_PUBLIC_URL, environment)))


@require_safe
def jwks(request: HttpRequest, environment: str) -> JsonResponse:
    """The set of public keys (RFC 7517, 5)."""
    return _public({"keys": _keys(environment)})


def _keys(environment: str) -> list[dict[str, str]]:
    """An environment that signs nothing is as one that is not there."""
    if found := shown_keys(environment):
        return found
    raise Http404


def _public(document: dict[str, object]) -> JsonResponse:
    answer = JsonResponse(document)
    answer["Cache-Control"] = f"public, max-age={KEPT_S}"
    return answer
