"""Signing in by an identity provider: away to it, back from it, and the portal's own description for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.errors import NotFound
from procedures.domain.providers import ProviderUnreachable, Said, SignInRefused
from procedures.models import IdentityProvider
from procedures.services import identities, identity_providers, open_sessions, sessions
from procedures.signon import egress, oidc
from procedures.web.doors import entered, page, person_of, show, status_of

if TYPE_CHECKING:
    from procedures.signon import saml

BACKEND = "procedures.access.backend.IdentityBackend"
LINKING = "linking"  # in the session, once the password was given again
KEPT = "signon"  # in the session, until the browser comes back


def onward(request: HttpRequest) -> str:
    """The page of ours that was asked for; anything else is the first page."""
    wanted = request.POST.get("next") or request.GET.get("next") or "/"
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}) else "/"


def here(page: str, provider: str) -> str:
    """The address of a page of ours, as an identity provider must know it: of the public origin, whatever was asked."""
    return str(settings.OPSPORTAL_PUBLIC_URL) + reverse(page, args=[provider])


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: HttpRequest, provider: str) -> HttpResponse:
    """Send the browser to the identity provider; only this very session can finish what begins here."""
    return entered(request, lambda: _begin(request, identity_providers.one(provider)))


def _begin(request: HttpRequest, provider: IdentityProvider) -> HttpResponse:
    if request.user.is_authenticated and request.session.get(LINKING) != provider.name:
        return redirect(onward(request))
    if provider.object["protocol"] == "ldap":
        return _directory(request, provider)
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
    if request.user.is_authenticated:
        return _linked(request, provider, said)
    person = identities.arrived(provider=provider.name, said=said, invite=invite, at=now())
    open_sessions.begin(request, person, at=now(), backend=BACKEND, provider=provider.name)
    return redirect(then)


def _directory(request: HttpRequest, provider: IdentityProvider) -> HttpResponse:
    """A directory has no pages of its own: name and password are typed here, handed to it, and kept nowhere."""
    typed = request.POST if request.method == "POST" else request.GET
    then, invite, username = onward(request), typed.get("invite", "")[:100], typed.get("username", "")[:200]
    context = {"provider": provider, "next": then, "invite": invite, "username": username}
    if request.method != "POST":
        return show(request, "directory.html", context)
    try:
        mark = identities.slowed(provider, username, request.META.get("REMOTE_ADDR", ""), at=now())
        said = _in_directory(provider, username, request.POST.get("password", ""), mark)
        return let_in(request, provider, said, invite=invite, then=then)
    except (SignInRefused, ProviderUnreachable, sessions.TooManyTries) as problem:
        return show(request, "directory.html", context | {"problem": problem}, status=status_of(problem))


def _in_directory(provider: IdentityProvider, username: str, password: str, mark: str) -> Said:
    secret = identity_providers.secret_of(provider.name)
    try:
        return egress.in_directory(provider.name, username=username, password=password, secret=secret)
    except SignInRefused as problem:
        identities.refused(provider, problem.message, at=now(), verb=mark)
        raise


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


@sensitive_post_parameters("password")
@page
@require_POST
def link(request: HttpRequest) -> HttpResponse:
    """One more login for one's own account: the password again, then the provider's own proof, in this session.

    A page with a link stands between, because a form may lead to no other site.
    """
    me, name = person_of(request), request.POST.get("provider", "")
    provider = identity_providers.one(name)
    sessions.proved(request, username=me.username, password=request.POST.get("password", ""), at=now())
    request.session[LINKING] = provider.name
    return show(request, "link_login.html", {"provider": provider}, nav="settings")


def _linked(request: HttpRequest, provider: IdentityProvider, said: Said) -> HttpResponse:
    if request.session.pop(LINKING, None) != provider.name:
        return redirect("web:home")
    identities.link(actor=person_of(request), provider=provider.name, said=said, at=now())
    messages.success(request, f"You sign in with {provider.title} too, from now on.")
    return redirect("web:settings")


def _ours(provider: IdentityProvider) -> saml.Ours:
    from procedures.signon import saml

    return saml.Ours(here("web:signon-metadata", provider.name), here("web:signon-acs", provider.name))


def _saml_begin(provider: IdentityProvider) -> tuple[str, dict[str, str]]:
    from procedures.signon import saml

    return saml.begun(provider.object, _ours(provider))


@csrf_exempt
@never_cache
@require_POST
def acs(request: HttpRequest, provider: str) -> HttpResponse:
    """Where an assertion is posted from the provider's site: without our cookie, so it is only judged and kept here.

    The browser goes on to `done` with a handle that is good in the session which asked, once.
    """
    return entered(request, lambda: _acs(request, saml_provider(provider)))


def _acs(request: HttpRequest, provider: IdentityProvider) -> HttpResponse:
    from procedures.signon import saml

    try:
        found = saml.read(provider.object, request.POST.get("SAMLResponse", ""), _ours(provider))
        handle = identities.taken(
            provider=provider,
            assertion=found.assertion,
            question=found.question,
            until=found.until,
            said=found.said,
            at=now(),
        )
    except SignInRefused as problem:
        identities.refused(provider, problem.message, at=now())
        raise
    return redirect(f"{reverse('web:signon-done', args=[provider.name])}?handle={handle}")


def _saml_done(request: HttpRequest, provider: IdentityProvider, kept: dict[str, str]) -> Said:
    return identities.answered(
        provider=provider.name,
        handle=request.GET.get("handle", ""),
        question=kept.get("question", ""),
        at=now(),
    )


@require_safe
def metadata(request: HttpRequest, provider: str) -> HttpResponse:
    """What an administrator gives to the SAML provider about this portal."""
    from procedures.signon import saml

    return entered(
        request,
        lambda: HttpResponse(
            saml.metadata(_ours(saml_provider(provider))), content_type="application/samlmetadata+xml"
        ),
    )


def saml_provider(name: str) -> IdentityProvider:
    """Raises NotFound for a provider of another protocol, as for none."""
    row = identity_providers.one(name)
    if row.object["protocol"] != "saml":
        raise NotFound("There is no such identity provider.")
    return row


BEGINNINGS: dict[str, Callable[[IdentityProvider], tuple[str, dict[str, str]]]] = {
    "oidc": _oidc_begin,
    "saml": _saml_begin,
}
ENDINGS: dict[str, Callable[[HttpRequest, IdentityProvider, dict[str, str]], Said]] = {
    "oidc": _oidc_done,
    "saml": _saml_done,
}
