"""Approvals: exactly what would happen, who asked and why, and the approver's decision."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from procedures import access
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.profiles import approvals_missing
from procedures.domain.states import RunState
from procedures.models import Approval, Person, Run
from procedures.queries import capabilities, deputies, pages_runs, pages_shell, passed_on, policies, workloads
from procedures.queries.agents import asked_by
from procedures.services import approvals, step_up
from procedures.web import signing
from procedures.web.doors import page, person_of, show, status_of


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    me, at = person_of(request), now()
    mine = [(run, pages_shell.decide_by(run)) for run in pages_shell.approvable(me, at)]
    asked = pages_runs.seen_by(me, at).filter(state=RunState.AWAITING_APPROVAL.value, requester=me).order_by("-no")
    beside = passed_on.beside(me, [run for run, _ in mine], at)
    return show(request, "approvals.html", {"mine": mine, "asked": asked, "beside": beside}, nav="approvals")


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, run: UUID) -> HttpResponse:
    me = person_of(request)
    row = pages_runs.one_run(me, run, now())
    if request.method == "GET":
        return show(request, "approval.html", _context(request, me, row), nav="approvals")
    try:
        approvals.decide_run(
            actor=me,
            run=row.id,
            verdict=request.POST.get("verdict", ""),
            comment=request.POST.get("comment", "")[:2000],
            plan_digest=request.POST.get("plan_digest", ""),
            signature=signing.given(request.POST),
            at=now(),
        )
    except step_up.StepUpNeeded:
        raise
    except OpsError as problem:
        row.refresh_from_db()
        context = _context(request, me, row) | {"problem": problem, "comment": request.POST.get("comment", "")}
        return show(request, "approval.html", context, status=status_of(problem), nav="approvals")
    return redirect("web:run", row.id)


def _context(request: HttpRequest, me: Person, run: Run) -> dict[str, Any]:
    plan = pages_runs.plan_of(run)
    waits = run.state == RunState.AWAITING_APPROVAL or (run.state == RunState.WAITING and bool(run.waiting_gate))
    context: dict[str, Any] = {
        "run": run,
        "plan": plan,
        "policy": policies.told(run),
        "waits": waits,
        "breaks": waits and not run.waiting_gate and access.decide(me, "break_glass", at=now(), **_place(run)).allowed,
        "why_not": _why_not(me, run, waits=waits),
        "software": asked_by(run),
        "workload": workloads.behind(run.pk),
        "chain": run.chain.select_related("person"),
        "given": run.approvals.select_related("approver").order_by("at"),
        "usual": pages_runs.usual_s(run.procedure_id, run.environment_id),
        "earlier": _earlier(run),
        "outcomes": pages_runs.last_outcomes([run.procedure_id])[run.procedure_id],
    }
    if waits:
        context["missing"] = approvals_missing(approvals.quorum(run), approvals.given(run))
        context["no_runner"] = capabilities.no_runner_for(capabilities.need_of(run), now())
    if not context["why_not"]:
        posted = request.POST if request.method == "POST" else request.GET
        verdict = posted.get("verdict", "approve")
        verdict = verdict if verdict in Approval.Verdict.values else "approve"
        statement = approvals.statement_for(actor=me, run=run, verdict=verdict, at=now())
        context |= {"verdict": verdict, "ask": signing.ask(statement, run.min_strength, me)}
    return context


def _place(run: Run) -> dict[str, Any]:
    return {"procedure": run.procedure, "environment": run.environment}


def _why_not(me: Person, run: Run, *, waits: bool) -> str:
    """Why this person has no decision to make, or an empty string. The service decides again."""
    if not waits:
        return "This run waits for no decision."
    if run.requester_id == me.pk or run.chain.filter(person=me).exists():
        return "You stand behind this request, so somebody else must decide."
    if me.pk in deputies.stand_ins(deputies.behind(run), "approve", now()):
        return "You stand in for somebody behind this request, so somebody else must decide."
    if run.approvals.filter(approver=me, gate=run.waiting_gate, plan_digest=run.digest_now).exists():
        return "You have decided. Another person must give theirs."
    decision = access.decide(me, "approve", at=now(), procedure=run.procedure, environment=run.environment)
    return "" if decision.allowed else "Approving this is not among your rights. Ask an access manager."


def _earlier(run: Run) -> dict[str, Any] | None:
    """The last run that somebody approved here, and which parameters differ from it."""
    last = (
        Run.objects.filter(
            procedure=run.procedure, environment=run.environment, no__lt=run.no, approvals__verdict="approve"
        )
        .order_by("-no")
        .first()
    )
    if last is None:
        return None
    names = sorted(last.parameters.keys() | run.parameters.keys())
    changed = [
        (name, last.parameters.get(name), run.parameters.get(name))
        for name in names
        if last.parameters.get(name) != run.parameters.get(name)
    ]
    return {"run": last, "changed": changed, "same_version": last.digest == run.digest}
