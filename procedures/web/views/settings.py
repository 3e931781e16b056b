"""What belongs to one person: signing keys, tokens, light or dark."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.queries import pages_people
from procedures.queries.duties import duties_of
from procedures.services import people
from procedures.web.doors import page, person_of, show


@page
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(request: HttpRequest, *, secret: str = "") -> HttpResponse:
    me = person_of(request)
    return show(
        request,
        "settings.html",
        {
            "keys": pages_people.keys_of(me),
            "tokens": pages_people.tokens_of(me, now()),
            "held": duties_of(me),
            "secret": secret,
        },
        nav="settings",
    )


@page
@require_POST
def tokens(request: HttpRequest) -> HttpResponse:
    """Make a token, shown once, or with `revoke` end one."""
    me = person_of(request)
    if old := request.POST.get("revoke", ""):
        people.revoke_token(actor=me, token=UUID(old), at=now())
        return redirect("web:settings")
    days = request.POST.get("days", "")
    if not days.isdecimal():
        raise InvalidInput([("/days", "is not a whole number")])
    _, secret = people.make_token(actor=me, name=request.POST.get("name", ""), days=int(days), at=now())
    return _page(request, secret=secret)
