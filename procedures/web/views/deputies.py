"""One's deputies: who looks at what waits while one is away, and for whom one looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from procedures.domain.clock import now
from procedures.domain.deputies import DEPUTED
from procedures.domain.errors import InvalidInput, NotFound, OpsError
from procedures.models import Person
from procedures.queries import deputies as queries
from procedures.services import deputies
from procedures.web.doors import page, person_of, show, status_of

A_DAY = timedelta(days=1)


@page
@require_http_methods(["GET", "POST"])
def mine(request: HttpRequest) -> HttpResponse:
    """POST names one, from the first day until the end of the last (UTC), agrees to one or ends one."""
    me, posted = person_of(request), request.POST
    if request.method == "GET":
        return show(request, "deputies.html", _context(me), nav="settings")
    try:
        if "end" in posted:
            deputies.end_deputy(actor=me, deputy=_id(posted["end"]), at=now())
            messages.success(request, "Ended, and in the evidence.")
        elif "agree" in posted:
            row = deputies.agree(actor=me, deputy=_id(posted["agree"]), at=now())
            messages.success(request, f"You stand in for {row.person}, who is told.")
        else:
            row = deputies.name_deputy(actor=me, at=now(), **_named(posted))
            messages.success(request, f"{row.deputy} is told and has to agree. You can still decide everything.")
    except OpsError as problem:
        context = _context(me) | {"problem": problem, "filled": posted, "chosen": posted.getlist("verbs")}
        return show(request, "deputies.html", context, status=status_of(problem), nav="settings")
    return redirect("web:deputies")


def _named(posted: QueryDict) -> dict[str, Any]:
    return {
        "deputy": _id(posted.get("deputy", "")),
        "verbs": posted.getlist("verbs"),
        "from_at": _day(posted, "from"),
        "until_at": _day(posted, "until") + A_DAY,
    }


def _day(posted: QueryDict, name: str) -> datetime:
    try:
        return datetime.strptime(posted.get(name, ""), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as problem:
        raise InvalidInput([(f"/{name}", "is no day like 2026-12-24")]) from problem


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as problem:
        raise NotFound("There is no such person or deputy.") from problem


def _context(me: Person) -> dict[str, Any]:
    at = now()
    rows = [(row, queries.is_over(row, at)) for row in queries.of(me, at)]
    return {
        "rows": rows,
        "people": queries.candidates(me, at),
        "kinds": list(DEPUTED.items()),
        "chosen": queries.held(me, at),
        "today": f"{at:%Y-%m-%d}",
    }
