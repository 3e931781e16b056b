"""What belongs to one person: signing keys, tokens, light or dark."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures import access
from procedures.domain import totp
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.secrets import Secret
from procedures.domain.tokens import VERBS
from procedures.models import Environment, Person
from procedures.queries import pages_people
from procedures.queries.duties import duties_of
from procedures.services import codes, identity_providers, open_sessions, passkeys
from procedures.services import tokens as api_tokens
from procedures.web import qr
from procedures.web.doors import page, person_of, show
from procedures.web.views.changes import proposal

WAITING = "passkey"  # in the session, until the browser answers


@page
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(request: HttpRequest, *, secret: str = "", app: Secret | None = None) -> HttpResponse:
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
            "providers": identity_providers.live(),
            "logins": me.identities.select_related("provider").order_by("linked_at"),
            "verbs": VERBS,
            "sessions": open_sessions.live(me, now()),
            "this_session": _this(me),
            "environments": Environment.objects.all(),
            "accounts": pages_people.accounts_of(me),
            "secret": secret,
            "passkey_options": json.dumps(options) if options else "",
            "origin": passkeys.origin(),
            "code_app": codes.app_of(me),
            "fresh": _fresh(me, app) if app else None,
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


def _this(me: Person) -> UUID | None:
    call = access.calling(me)
    return call.session if call else None


@page
@require_POST
def sessions(request: HttpRequest) -> HttpResponse:
    """End one session of one's own, or every other one; a manager ends all of another person's."""
    me, at = person_of(request), now()
    one, other = (pages_people.as_subject(request.POST.get(name, "")) for name in ("session", "person"))
    if one is not None:
        open_sessions.end_session(actor=me, session=one, at=at)
        return redirect("web:settings")
    ended = open_sessions.end_sessions(actor=me, person=other or me.subject, at=at, but=None if other else _this(me))
    messages.success(request, f"{ended} session{'' if ended == 1 else 's'} ended.")
    return redirect("web:people" if other else "web:settings")


def _fresh(me: Person, secret: Secret) -> dict[str, Any]:
    """A new app's secret as text, as a link and as a QR code: shown this once."""
    link = totp.uri(secret, account=me.username, issuer="OpsPortal")
    side, path = qr.outline(link)
    return {"text": totp.as_text(secret), "uri": link, "side": side, "path": path}


@page
@require_POST
def code_app(request: HttpRequest) -> HttpResponse:
    """Set a code app up, confirm it by a code, or remove it."""
    me, doing = person_of(request), request.POST.get("do", "")
    if doing == "begin":
        secret = codes.begin(request=request, actor=me, password=request.POST.get("password", ""), at=now())
        return _page(request, app=secret)
    code = request.POST.get("code", "")
    if doing == "remove":
        subject = pages_people.as_subject(request.POST.get("person", "")) or me.subject
        codes.remove(actor=me, subject=subject, code=code, at=now())
        messages.success(request, "The code app is removed.")
        return redirect("web:settings" if subject == me.subject else "web:people")
    codes.enrol(actor=me, code=code, at=now())
    messages.success(request, "Your code app counts from now on.")
    return redirect("web:settings")


@page
@require_POST
def tokens(request: HttpRequest) -> HttpResponse:
    """Make a token or a fresh one in its place, shown once; or end one."""
    me = person_of(request)
    named = pages_people.as_subject(request.POST.get("token", ""))
    doing = request.POST.get("do", "make")
    if doing == "revoke" and named:
        api_tokens.revoke_token(actor=me, token=named, at=now())
        return redirect("web:settings")
    if doing == "rotate" and named:
        hours = _number(request, "overlap")
        _, secret = api_tokens.rotate_token(actor=me, token=named, overlap_h=hours, at=now())
        return _page(request, secret=secret)
    _, secret = api_tokens.make_token(
        actor=me,
        name=request.POST.get("name", ""),
        days=_number(request, "days"),
        person=pages_people.as_subject(request.POST.get("of", "")),
        reach=_reach(request),
        at=now(),
    )
    return _page(request, secret=secret)


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not text.isdecimal() or len(text) > 4:
        raise InvalidInput([(f"/{name}", "is not a whole number")])
    return int(text)


def _reach(request: HttpRequest) -> api_tokens.Reach:
    """What the form says a token is for; procedures by name, with commas or spaces between them."""
    named = request.POST.get("procedures", "").replace(",", " ").split()
    return api_tokens.Reach(named, request.POST.getlist("environments"), request.POST.getlist("verbs") or VERBS)
