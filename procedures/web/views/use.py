"""What was used against what is allowed: a tab of the procedure, a page of each access, and the way to less."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from procedures import access
from procedures.domain.clock import now
from procedures.domain.errors import NotFound, OpsError
from procedures.domain.observed import FLOOR
from procedures.models import Grant, Person, Procedure
from procedures.queries import deciding, observed, observed_grants, pages_procedures
from procedures.services import narrowing
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.views import changes


def of_procedure(me: Person, procedure: Procedure, at: Any) -> dict[str, Any]:
    """What the tab shows; nothing where no version is accepted."""
    version = pages_procedures.accepted(procedure, at)
    if version is None:
        return {"use": None}
    seen = observed.of_procedure(me, procedure, version, at)
    may = access.decide(me, "author", at=at, procedure=procedure).allowed and not seen.partial
    return {"use": seen, "floor": FLOOR, "may_narrow": may and any(one.cut for one in seen.lines)}


@page
@require_POST
def narrow(request: HttpRequest, name: str) -> HttpResponse:
    """Begins a manuscript without the chosen lines, and leads to the editor with the note for reviewers."""
    chosen = request.POST.getlist("line")
    made = narrowing.narrow_procedure(actor=person_of(request), name=name, lines=chosen, at=now())
    request.session[f"note:{name}"] = made.note
    messages.success(request, "These files lack what was chosen. Nothing is handed in yet: look at them, and do so.")
    return redirect("web:manuscript", name)


@page
@require_http_methods(["GET", "POST"])
def of_grant(request: HttpRequest, grant: UUID) -> HttpResponse:
    """An access with its use; POST shows the smaller one, to be signed."""
    me, at = person_of(request), now()
    row = observed_grants.one(me, grant, at)
    if row is None:
        raise NotFound("There is no such access.")
    if request.method == "GET":
        return show(request, "grant_use.html", _grant(me, row, at), nav="access")
    try:
        made = narrowing.narrower_grant(actor=me, grant=grant, lines=request.POST.getlist("line"), at=at)
    except OpsError as problem:
        context = _grant(me, row, at) | {"problem": problem}
        return show(request, "grant_use.html", context, status=status_of(problem), nav="access")
    return show(request, "propose.html", changes.proposal(request, me, "grant", made), nav="access")


def _grant(me: Person, row: Grant, at: Any) -> dict[str, Any]:
    seen = observed_grants.of_grant(me, row, at)
    may = deciding.reach(me, at=at).ends(row) and not seen.partial
    return {
        "grant": row,
        "use": seen,
        "floor": FLOOR,
        "may_end": may,
        "may_narrow": may and any(one.cut for one in seen.lines),
        "never": not seen.runs and any(one.verdict == "unused" for one in seen.lines),
    }
