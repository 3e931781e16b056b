"""A program asks to act as an agent: its owner sees who asks, where the key goes and what it opens, and decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_http_methods

from procedures.domain import clients
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.software import MAY
from procedures.queries import connections as queries
from procedures.queries import pages_people
from procedures.services import connections
from procedures.web.doors import page, person_of, show

DAYS = 30
Page = Callable[[HttpRequest], HttpResponseBase]


def leading_out(view: Page) -> Page:
    """Let the forms of a page lead to where its program is answered: browsers hold redirects to the same rule."""

    @wraps(view)
    def inner(request: HttpRequest) -> HttpResponseBase:
        try:
            wish = connections.wish_of(dict(request.GET.lists()))
        except InvalidInput:
            return view(request)
        return csp_update({"form-action": [clients.form_target(wish.redirect)]})(view)(request)

    return inner


@leading_out
@page
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """OAuth's authorization endpoint. Nothing happens before a person said yes or no in a form of this page."""
    me, at = person_of(request), now()
    wish = connections.wish_of(dict(request.GET.lists()))
    if request.method == "POST":
        return _decided(request, wish)
    context = {
        "wish": wish,
        "wants": [verb for verb in MAY if verb in wish.verbs],
        "receiver": clients.receiver(wish.redirect),
        "here": wish.redirect.startswith("http:"),
        "choices": queries.choices(me, at),
        "days": DAYS,
        "most": clients.DAYS,
        "where": request.get_full_path(),
    }
    return show(request, "connect.html", context, nav="people")


def _decided(request: HttpRequest, wish: connections.Wish) -> HttpResponse:
    me, posted = person_of(request), request.POST
    if posted.get("do") == "refuse":
        return _sent(connections.refuse(actor=me, wish=wish, at=now()))
    agent = pages_people.as_subject(posted.get("agent", ""))
    if agent is None:
        raise InvalidInput([("/agent", "choose one of your agents")])
    if not (days := posted.get("days", "")).isdecimal() or len(days) > 3:
        raise InvalidInput([("/days", "is not a whole number of days")])
    return _sent(connections.consent(actor=me, wish=wish, agent=agent, days=int(days), at=now()))


def _sent(address: str) -> HttpResponse:
    """303, so that no browser sends the form on (RFC 9700, 4.12)."""
    return HttpResponse(status=303, headers={"Location": address})
