"""What belongs to one person: signing keys, tokens, light or dark."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.queries import pages_people
from procedures.queries.duties import duties_of
from procedures.services import passkeys, people
from procedures.web.doors import page, person_of, show
from procedures.web.views.changes import proposal

WAITING = "passkey"  # in the session, until the browser answers


@page
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(request: HttpRequest, *, secret: str = "") -> HttpResponse:
    me = person_of(request)
    options: dict[str, Any] | None = None
    if passkeys.party():
        options, request.session[WAITING] = passkeys.begin(me)
    return show(
        request,
        "settings.html",
        {
            "keys": pages_people.keys_of(me),
            "tokens": pages_people.tokens_of(me, now()),
            "held": duties_of(me),
            "secret": secret,
            "passkey_options": json.dumps(options) if options else "",
            "origin": passkeys.origin(),
        },
        nav="settings",
    )


@page
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    """A passkey that the browser has just made, shown as the change that enrols it."""
    me = person_of(request)
    made = passkeys.finish(me, request.session.pop(WAITING, None), request.POST.dict())
    return show(request, "propose.html", proposal(request, me, "key", made), nav="settings")


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
