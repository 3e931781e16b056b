"""Signing in by an identity provider: away to it, back from it, and the portal's own description for it."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from procedures.domain.clock import now
from procedures.domain.providers import Said, SignInRefused
from procedures.models import IdentityProvider
from procedures.services import identities, identity_providers, open_sessions
from procedures.signon import oidc
from procedures.web.doors import entered

BACKEND = "procedures.access.backend.IdentityBackend"
KEPT = "signon"  # in the session, until the browser comes back


def onward(request: HttpRequest) -> str:
    """The page of ours that was asked for; anything else is the first page."""
    wanted = request.POST.get("next") or request.GET.get("next") or "/"
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}) else "/"


def here(page: str, provider: str) -> str:
    """The address of a page of ours, as an identity provider must know it: of the public origin, whatever was asked."""
    return str(settings.OPSPORTAL_PUBLIC_URL) + reverse(page, args=[provider])


@never_cache
@require_safe
def begin(request: HttpRequest, provider: str) -> HttpResponse:
    """Send the browser to the identity provider; only this very session can finish what begins here."""
    return entered(request, lambda: _begin(request, identity_providers.one(provider)))


def _begin(request: HttpRequest, provider: IdentityProvider) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(onward(request))
    away, kept = BEGINNINGS[provider.object["protocol"]](provider)
    request.session[KEPT] = {
        **kept,
        "provider": provider.name,
        "next": onward(request),
        "invite": request.GET.get("invite", "")[:100],
    }
    return redirect(away)


@never_cache
@require_safe
def done(request: HttpRequest, provider: str) -> HttpResponse:
    """Back from an identity provider: proved, known, signed in, and on to the page that was asked for."""
    return entered(request, lambda: _done(request, identity_providers.one(provider)))


def _done(request: HttpRequest, provider: IdentityProvider) -> HttpResponse:
    kept: dict[str, str] = request.session.pop(KEPT, None) or {}
    request.session.modified = True
    if kept.get("provider") != provider.name:
        kept = {}
    try:
        said = ENDINGS[provider.object["protocol"]](request, provider, kept)
    except SignInRefused as problem:
        identities.refused(provider, problem.message, at=now())
        raise
    return let_in(request, provider, said, invite=kept["invite"], then=kept["next"])


def let_in(request: HttpRequest, provider: IdentityProvider, said: Said, *, invite: str, then: str) -> HttpResponse:
    person = identities.arrived(provider=provider.name, said=said, invite=invite, at=now())
    open_sessions.begin(request, person, at=now(), backend=BACKEND, provider=provider.name)
    return redirect(then)


def _oidc_begin(provider: IdentityProvider) -> tuple[str, dict[str, str]]:
    return oidc.begun(provider.object, redirect_uri=here("web:signon-done", provider.name))


def _oidc_done(request: HttpRequest, provider: IdentityProvider, kept: dict[str, str]) -> Said:
    return oidc.finished(
        provider.object,
        request.GET.dict(),
        kept,
        redirect_uri=here("web:signon-done", provider.name),
        secret=identity_providers.secret_of(provider.name),
    )


BEGINNINGS: dict[str, Callable[[IdentityProvider], tuple[str, dict[str, str]]]] = {"oidc": _oidc_begin}
ENDINGS: dict[str, Callable[[HttpRequest, IdentityProvider, dict[str, str]], Said]] = {"oidc": _oidc_done}
