"""Approving runs of a schedule ahead on pages: what each would do, how many, the signature; and taking it back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from procedures.domain import ahead
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, OpsError
from procedures.models import Person
from procedures.queries.standing import accepted
from procedures.services import giving_ahead
from procedures.web import signing
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.form_texts import moment_in, whole

DAYS, RUNS = 30, 30  # what the form offers first


@page
@require_http_methods(["GET", "POST"])
def approve(request: HttpRequest, name: str) -> HttpResponse:
    """First what each run would do, and how many; then the statement that says so is signed."""
    me, problem = person_of(request), None
    if request.method == "POST":
        try:
            giving_ahead.approve_ahead(
                actor=me,
                name=name,
                count=whole(request.POST, "runs"),
                until=moment_in(request.POST, "not_after"),
                plan_digest=request.POST.get("plan_digest", ""),
                comment=request.POST.get("comment", "")[:2000],
                signature=signing.given(request.POST),
                at=now(),
            )
        except OpsError as refused:
            problem = refused
        else:
            return redirect("web:standing", "schedule", name)
    context, wrong = _context(me, name, request.POST if request.method == "POST" else request.GET)
    problem = problem or wrong
    status = status_of(problem) if problem else 200
    return show(request, "ahead.html", context | {"problem": problem}, status=status, nav="approvals")


def _context(me: Person, name: str, typed: QueryDict) -> tuple[dict[str, Any], OpsError | None]:
    """What the page shows, and what is wrong with what was typed. Where nothing can be approved, the door says why."""
    at = now()
    found = giving_ahead.offer(actor=me, name=name, at=at)
    context: dict[str, Any] = {
        "row": found.row,
        "plan": found.plan,
        "digest": found.digest,
        "needed": found.needed,
        "version": accepted(found.row.procedure.name, at),
        "latest": ahead.latest(at, found.row.expires_at),
        "most": ahead.MOST_RUNS,
        "runs": typed.get("runs", RUNS),
        "days": typed.get("days", min(DAYS, (found.row.expires_at - at).days)),
        "comment": typed.get("comment", "")[:2000],
    }
    if "runs" not in typed:
        return context, None
    try:
        days = min(max(whole(typed, "days"), 0), 3650)
        until = moment_in(typed, "not_after") if "not_after" in typed else at + timedelta(days=days)
        count = whole(typed, "runs")
        said = giving_ahead.statement_for(actor=me, found=found, count=count, until=until, at=at)
    except InvalidInput as wrong:
        return context, wrong
    return context | {"ask": signing.ask(said, "signed", me), "until": until, "not_after": moment(until)}, None


@page
@require_POST
def take_back(request: HttpRequest, name: str, pre_approval: UUID) -> HttpResponse:
    why = request.POST.get("reason", "").strip()
    giving_ahead.take_back(actor=person_of(request), name=name, pre_approval=pre_approval, reason=why, at=now())
    return redirect("web:standing", "schedule", name)
