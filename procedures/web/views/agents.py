"""Agents: who owns them, what they may spend, their tokens, and the switch that stops one or all."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotFound
from procedures.domain.ids import uuid7
from procedures.domain.software import CALLS_A_MINUTE, MAY, RUNS_A_MINUTE, RUNS_AN_HOUR
from procedures.queries import agents as queries
from procedures.queries import pages_people
from procedures.services import agents
from procedures.services import tokens as services
from procedures.web.doors import page, person_of, show


def _page(request: HttpRequest, secret: str = "") -> HttpResponse:
    me = person_of(request)
    seen = queries.agents_seen(me, now())
    context = {
        "agents": seen,
        "tokens": [(one, token) for one in seen for token in one.tokens],
        "programs": [(one, row) for one in seen for row in one.connections],
        "owns": any(one.mine for one in seen),
        "all_stopped": queries.all_stopped(),
        "owners": pages_people.people().filter(kind="person", is_active=True),
        "fresh": uuid7(),
        "secret": secret,
        "door": f"{settings.OPSPORTAL_PUBLIC_URL}/mcp/",
        "hour": RUNS_AN_HOUR,
        "minute": RUNS_A_MINUTE,
        "calls": CALLS_A_MINUTE,
        "verbs": MAY,
    }
    return show(request, "agents.html", context, status=201 if secret else 200, nav="people")


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    return _page(request)


@page
@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Stop or start one agent, or with an empty name all of them."""
    me, posted = person_of(request), request.POST
    which = _which(posted.get("agent", "")) if posted.get("agent") else None
    act = agents.start if posted.get("do") == "start" else agents.stop
    act(actor=me, agent=which, reason=posted.get("reason", ""), at=now())
    messages.success(request, "It is so, and in the evidence.")
    return redirect("web:agents")


@page
@require_POST
def tokens(request: HttpRequest) -> HttpResponse:
    """Make a token of an own agent, shown once, or with `revoke` end one."""
    me, posted = person_of(request), request.POST
    if old := posted.get("revoke", ""):
        services.revoke_token(actor=me, token=_which(old), at=now())
        return redirect("web:agents")
    if not (days := posted.get("days", "")).isdecimal():
        raise InvalidInput([("/days", "is not a whole number")])
    if (audience := posted.get("audience", "mcp")) not in {"mcp", "api"}:
        raise InvalidInput([("/audience", "is mcp or api")])
    _, secret = services.make_token(
        actor=me,
        name=posted.get("name", ""),
        days=int(days),
        at=now(),
        person=_which(posted.get("agent", "")),
        reach=services.Reach(verbs=MAY, audience=audience),
    )
    return _page(request, secret)


def _which(text: str) -> UUID:
    found = pages_people.as_subject(text)
    if found is None:
        raise NotFound("There is no such agent or token.")
    return found
