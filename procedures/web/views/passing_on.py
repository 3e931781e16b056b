"""Asking somebody else to decide what waits for oneself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, OpsError
from procedures.models import Person
from procedures.queries import passed_on
from procedures.services import passing_on
from procedures.web.doors import page, person_of, show, status_of


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, what: str, about: UUID) -> HttpResponse:
    """What waits, who else could decide it, and who was asked to; POST asks one of them."""
    me = person_of(request)
    if request.method == "GET":
        return show(request, "decision.html", _context(me, what, about))
    try:
        asking = passing_on.pass_on(
            actor=me,
            what=what,
            about=about,
            to=_to(request.POST.get("to", "")),
            reason=request.POST.get("reason", ""),
            at=now(),
        )
    except OpsError as problem:
        context = _context(me, what, about) | {"problem": problem, "reason": request.POST.get("reason", "")}
        return show(request, "decision.html", context, status=status_of(problem))
    messages.success(request, f"{asking.person} is told. You can still decide it yourself.")
    return redirect("web:decision", what, about)


def _to(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as problem:
        raise InvalidInput([("/to", "choose somebody")]) from problem


def _context(me: Person, what: str, about: UUID) -> dict[str, Any]:
    at = now()
    row = passing_on.waiting(me, what, about, at)
    others = [one for one in passing_on.could_decide(row, at) if one.pk != me.pk]
    return {"one": passed_on.told(row), "others": others, "asked": passed_on.asked(row)}
