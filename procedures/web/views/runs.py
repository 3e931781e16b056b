"""The list of runs, and one run: its steps on its targets, its output, its plan and its evidence."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from procedures.domain import readable
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.states import RunState
from procedures.domain.text import visible
from procedures.models import Environment, Run
from procedures.queries import (
    auditing,
    pages_evidence,
    pages_log,
    pages_runs,
    retention,
    since_success,
    waiting,
    workloads,
)
from procedures.services import (
    artifacts,
    continuing,
    dossiers,
    endings,
    gate_answers,
    pauses,
    readings,
    reruns,
    run_comments,
)
from procedures.web import schema_form, timeline, words
from procedures.web.doors import download, page, person_of, show, status_of

CELLS = 12
WRONG = 20
SHOWN_CHUNKS = 500
TABS = ("steps", "plan", "outputs")


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Runs, newest first, fifty a page, by keyset."""
    before = request.GET.get("before", "")
    wanted = pages_runs.RunFilter(
        state=request.GET.get("state", ""),
        environment=request.GET.get("environment", ""),
        procedure=request.GET.get("procedure", ""),
        mine=request.GET.get("mine") == "1",
        before=int(before) if before.isdecimal() else None,
    )
    rows, more = pages_runs.list_runs(person_of(request), wanted, now())
    at = now()
    return show(
        request,
        "runs.html",
        {
            "runs": [(row, pages_runs.took_s(row, at)) for row in rows],
            "more": more,
            "wanted": wanted,
            "environments": Environment.objects.all(),
            "states": words.RUN.items(),
        },
        nav="runs",
    )


@page
@require_safe
def one(request: HttpRequest, run: UUID) -> HttpResponse:
    row = pages_runs.one_run(person_of(request), run, now())
    readings.note_run_read(actor=person_of(request), run=row, at=now())
    return show(request, "run.html", _page(request, row), nav="runs")


def _page(request: HttpRequest, row: Run) -> dict[str, Any]:
    """A run's page: what moves, what it printed, what changed since it last went well, and what people say."""
    me = person_of(request)
    tab = request.GET.get("tab", "steps")
    context = _live(request, row) | {
        "tab": tab if tab in TABS else "steps",
        "reads": pages_runs.may_read_output(me, row, now()),
        "since": since_success.since_success(me, row, now()),
        "asks": (asked := pages_runs.asks(row)),
        "form": schema_form.pages([asked["form"]]) if asked else [],
        "said": row.comments.select_related("author__owner"),
    }
    if context["reads"]:
        lines, seq, earlier = pages_log.newest(
            row.id, step=context["step"], target=context["target"], most=SHOWN_CHUNKS
        )
        context |= {"lines": lines, "seq": seq, "earlier": earlier}
    context["marked"] = readable.words(row.readable, row.marks)
    context["results"] = row.results.select_related("task").order_by("id")
    context["artifacts"] = row.artifacts.select_related("task").order_by("id")
    return (
        context
        | {"events": pages_evidence.events_of_run(row.id), "leases": row.leases.order_by("intended_at")}
        | {"readers": pages_evidence.readers_of_run(row) if auditing.audits_run(me, row, now()) else []}
    )


@page
@require_POST
def comment(request: HttpRequest, run: UUID) -> HttpResponse:
    me, body = person_of(request), request.POST.get("body", "")
    try:
        run_comments.comment_run(actor=me, run=run, body=body, at=now())
    except InvalidInput as problem:
        row = pages_runs.one_run(me, run, now())
        context = _page(request, row) | {"problem": problem, "typed": body}
        return show(request, "run.html", context, status=status_of(problem), nav="runs")
    return redirect(f"{reverse('web:run', args=[run])}#said")


@page
@require_safe
def live(request: HttpRequest, run: UUID) -> HttpResponse:
    """The parts of a run's page that move: head, progress, steps and cells."""
    row = pages_runs.one_run(person_of(request), run, now())
    return render(request, "parts/run_moving.html", _live(request, row))


def _live(request: HttpRequest, run: Run) -> dict[str, Any]:
    at = now()
    plan = pages_runs.plan_of(run)
    steps = pages_runs.steps_of(run, plan)
    axis, bars = timeline.draw(run, steps, at)
    parts, done, total = pages_runs.shares(steps)
    targets = [target["name"] for target in plan.get("targets", [])]
    columns = targets if len(targets) <= CELLS else []
    refused = continuing.refusal(run) if run.state in continuing.FROM else None
    went_wrong = pages_runs.went_wrong(steps)
    own = run.requester_id == person_of(request).pk
    return {
        "own": own,
        "to_pick_up": run.results.filter(state="kept", deliver="once", expires_at__gt=at).count() if own else 0,
        "wrong_tasks": went_wrong[:WRONG],
        "more_wrong": len(went_wrong) - WRONG,
        "run": run,
        "plan": plan,
        "rows": list(zip(steps, bars, strict=True)),
        "axis": axis,
        "parts": parts,
        "done": done,
        "total": total,
        "targets": targets,
        "columns": columns,
        "took": pages_runs.took_s(run, at),
        "usual": pages_runs.usual_s(run.procedure_id, run.environment_id),
        "kept_until": retention.kept_until(run),
        "purge": retention.purge_of(run),
        "over": run.state in pages_runs.ENDED,
        "refused": refused,
        "unsafe": refused if isinstance(refused, continuing.NotSafeToGoOn) else None,
        "goes_on": run.state in continuing.FROM and not run.draft,
        "before": list(continuing.chain_of(run)),
        "after": run.continued_by.order_by("id"),
        "wrong": len(reruns.went_wrong(run)) if run.state in pages_runs.ENDED else 0,
        "approvals": run.approvals.select_related("approver").order_by("at"),
        "me": person_of(request),
        "now": at,
        "workload": workloads.behind(run.pk),
        "waiting_for": waiting.waiting_for(run, person_of(request), at),
        "step": request.GET.get("step", "")[:100],
        "target": request.GET.get("target", "")[:200],
        "waits": run.state == RunState.AWAITING_APPROVAL or bool(run.waiting_gate and not run.waiting_form),
        "pausable": run.state in pauses.ON_ITS_WAY and not run.ending and not run.cancel_requested_at,
    }


@page
@require_POST
def cancel(request: HttpRequest, run: UUID) -> HttpResponse:
    endings.cancel_run(actor=person_of(request), run=run, reason=request.POST.get("reason", "")[:2000], at=now())
    return redirect("web:run", run)


@page
@require_POST
def go_on(request: HttpRequest, run: UUID) -> HttpResponse:
    how = continuing.GoOn(reason=request.POST.get("reason", "")[:2000], door="web")
    return redirect("web:run", continuing.continue_run(actor=person_of(request), run=run, how=how, at=now()).pk)


@page
@require_POST
def answer(request: HttpRequest, run: UUID) -> HttpResponse:
    """What the gate's form holds, or a refusal; a mistake shows the page again with what was typed."""
    me = person_of(request)
    row = pages_runs.one_run(me, run, now())
    asked = pages_runs.asks(row)
    if asked is None or "refuse" in request.POST:
        gate_answers.refuse_answer(actor=me, run=run, reason=request.POST.get("reason", ""), at=now())
        return redirect("web:run", run)
    form = schema_form.pages([asked["form"]])
    typed = schema_form.values(form, request.POST)
    try:
        gate_answers.answer_run(actor=me, run=run, values=typed, at=now())
    except InvalidInput as problem:
        form = schema_form.pages([asked["form"]], filled=typed)
        rest = schema_form.put_errors(form, problem.field_errors(), under="values")
        context = _page(request, row) | {"form": form, "wrong_answer": problem, "rest": rest}
        return show(request, "run.html", context, status=status_of(problem), nav="runs")
    return redirect("web:run", run)


@page
@require_POST
def pause(request: HttpRequest, run: UUID) -> HttpResponse:
    pauses.pause_run(actor=person_of(request), run=run, reason=request.POST.get("reason", ""), at=now())
    return redirect("web:run", run)


@page
@require_POST
def resume(request: HttpRequest, run: UUID) -> HttpResponse:
    pauses.resume_run(actor=person_of(request), run=run, at=now())
    return redirect("web:run", run)


@page
@require_safe
def artifact(request: HttpRequest, run: UUID, artifact: UUID) -> HttpResponse:
    """One file that a run made, to keep; never shown in the browser, and the reading is on the record."""
    me = person_of(request)
    pages_runs.one_run(me, run, now())
    row = artifacts.read_artifact(actor=me, run=run, artifact=artifact, at=now())
    return download(bytes(row.content or b""), row.name)


@page
@require_safe
def text(request: HttpRequest, run: UUID) -> HttpResponse:
    """The whole output as plain text, for keeping; what a terminal would obey is written out, as on the page."""
    me = person_of(request)
    row = pages_runs.one_run(me, run, now())
    if not pages_runs.may_read_output(me, row, now()):
        raise NotAllowed("You may see this run, but not what it printed.")
    chunks = pages_log.chunks(row.id, step=request.GET.get("step", ""), target=request.GET.get("target", ""))
    body = "".join(visible(chunk.text, colours=True) for chunk in chunks[:20_000].iterator())
    answer = HttpResponse(body, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="run-{row.no}.txt"'
    answer["Content-Security-Policy"] = "sandbox"
    return answer


@page
@require_safe
def dossier(request: HttpRequest, run: UUID, form: str) -> HttpResponse:
    """Everything known of a run as one file that needs no network, for auditors."""
    return download(*dossiers.run_dossier(actor=person_of(request), run=run, form=form, at=now()))
