"""Break-glass on pages: the register, breaking it for one run, and reviewing a use."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from procedures.domain.break_glass import VERDICTS
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.queries import glass, pages_runs
from procedures.services import break_glass
from procedures.web import signing
from procedures.web.doors import page, person_of, show, status_of


@page
@require_safe
def register(request: HttpRequest) -> HttpResponse:
    uses = glass.register(person_of(request), now())
    return show(request, "glass.html", {"uses": uses, "open": sum(not use.reviewed_at for use in uses)}, nav="glass")


@page
@require_http_methods(["GET", "POST"])
def break_it(request: HttpRequest, run: UUID) -> HttpResponse:
    """First the reason, then the statement that holds it is signed."""
    me = person_of(request)
    row = pages_runs.one_run(me, run, now())
    typed = request.POST if request.method == "POST" else request.GET
    reason, problem = typed.get("reason", "").strip()[:2000], None
    if request.method == "POST":
        try:
            break_glass.break_the_glass(
                actor=me,
                run=row.id,
                plan_digest=request.POST.get("plan_digest", ""),
                reason=reason,
                signature=signing.given(request.POST),
                at=now(),
            )
        except OpsError as refused:
            problem = refused
        else:
            return redirect("web:run", row.id)
    statement = break_glass.statement_for(actor=me, run=row, reason=reason, at=now())
    context = {
        "run": row,
        "plan": pages_runs.plan_of(row),
        "reason": reason,
        "skips": statement["skips"],
        "may": break_glass.permission(me, row, now()),
        "ask": signing.ask(statement, "signed", me) if reason else None,
        "problem": problem,
    }
    return show(request, "glass_break.html", context, status=status_of(problem) if problem else 200, nav="approvals")


@page
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest, use: UUID) -> HttpResponse:
    """First what was found, then the statement that holds it is signed."""
    me = person_of(request)
    row = glass.one_use(me, use, now())
    typed = request.POST if request.method == "POST" else request.GET
    verdict, comment, problem = typed.get("verdict", ""), typed.get("comment", "").strip()[:2000], None
    if request.method == "POST":
        try:
            break_glass.review_glass(
                actor=me, use=row.pk, verdict=verdict, comment=comment, signature=signing.given(request.POST), at=now()
            )
        except OpsError as refused:
            problem = refused
        else:
            return redirect("web:glass")
    statement = break_glass.review_statement_for(actor=me, use=row, verdict=verdict, comment=comment)
    ready = comment and verdict in VERDICTS
    context = {
        "use": row,
        "verdict": verdict,
        "comment": comment,
        "why_not": glass.why_not_review(me, row, now()),
        "ask": signing.ask(statement, "signed", me) if ready else None,
        "problem": problem,
    }
    return show(request, "glass_review.html", context, status=status_of(problem) if problem else 200, nav="glass")
