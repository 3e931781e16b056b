"""How people come in: identity providers, passwords of the portal's own, and accounts that may be one person."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.errors import NotFound
from procedures.queries import directories, same_person, way_out
from procedures.services import cli_codes, identity_providers, local_sign_in, tokens
from procedures.signon import egress
from procedures.web import identity_forms
from procedures.web.doors import page, person_of, show


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """For access managers and auditors."""
    return _page(request)


def _page(request: HttpRequest, secret: str = "") -> HttpResponse:
    me, at = person_of(request), now()
    context = {
        "alike": same_person.alike(me, at),
        "directories": directories.directories(me, at),
        "secret": secret,
        "address": f"{settings.OPSPORTAL_PUBLIC_URL}/scim/v2",
        "providers": [(row, identity_forms.what_it_says(row.object)) for row in identity_providers.live()],
        "local": local_sign_in.in_force(),
        "alone": way_out.needed() and not egress.answers(),
        "example": identity_forms.EXAMPLE,
        "choices": identity_forms.CHOICES.items(),
    }
    return show(request, "ways_in.html", context, status=201 if secret else 200, nav="people")


@page
@require_POST
def directory_token(request: HttpRequest) -> HttpResponse:
    """Make a token for a provider that pushes people, shown once, or with `revoke` end one."""
    me, posted = person_of(request), request.POST
    if old := posted.get("revoke", ""):
        tokens.revoke_token(actor=me, token=_which(old), at=now())
        messages.success(request, "The token is dead.")
        return redirect("web:ways-in")
    days = posted.get("days", "")
    _, secret = tokens.make_directory_token(
        actor=me,
        provider=posted.get("provider", ""),
        name=posted.get("name", ""),
        days=int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0,
        at=now(),
    )
    return _page(request, secret)


def _which(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as problem:
        raise NotFound("You have no such token.") from problem


@page
@require_http_methods(["GET", "POST"])
def command_line(request: HttpRequest) -> HttpResponse:
    """A code that brings the command line in as whoever is signed in here."""
    code = cli_codes.make_code(actor=person_of(request), at=now()) if request.method == "POST" else ""
    return show(request, "command_line.html", {"code": code}, nav="settings")
