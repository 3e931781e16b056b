"""The catalogue, and one procedure: its docs beside the form, what would happen, and Run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures import access
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.errors import NotFound, OpsError
from procedures.domain.options import sources
from procedures.domain.queue_order import NORMAL, PRIORITIES
from procedures.models import Environment, Person, Procedure, Run, Version
from procedures.queries import capabilities, pages_procedures, pages_runs, retention
from procedures.queries.drafts import without_others
from procedures.queries.due import moved_on
from procedures.queries.matching import Matches, matches
from procedures.queries.reach import grown
from procedures.services import reruns, runs, step_up
from procedures.web import prose
from procedures.web.asking import Asking, asked, is_conditional, refilled
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.listing import attach
from procedures.web.preview import preview_run
from procedures.web.views import drafts, use

TABS = ("run", "history", "versions", "access", "use")


@page
@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    me = person_of(request)
    narrowed = {key: request.GET.get(key, "") for key in ("environment", "risk", "scope")}
    query = request.GET.get("q", "")
    entries, total = pages_procedures.catalogue(me, now(), query=query, **narrowed)
    return show(
        request,
        "procedures.html",
        {"entries": entries, "total": total, "q": query, **narrowed, "environments": Environment.objects.all()},
        nav="procedures",
    )


@page
@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """What the palette lists: `{"results": [{"title", "hint", "url"}]}`."""
    entries, _ = pages_procedures.catalogue(person_of(request), now(), query=request.GET.get("q", ""))
    found = [
        {"title": e.procedure.title, "hint": e.procedure.name, "url": f"/procedures/{e.procedure.name}/"}
        for e in entries
    ]
    return JsonResponse({"results": found[:12]})


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, name: str) -> HttpResponse:
    """A procedure's page. POST asks for a run, or with `preview` shows what would happen."""
    me, at = person_of(request), now()
    procedure = pages_procedures.one_procedure(me, name, at)
    tab = request.GET.get("tab", "run")
    context: dict[str, Any] = {
        "procedure": procedure,
        "version": pages_procedures.accepted(procedure, at),
        "tab": tab if tab in TABS else "run",
        "may_view": pages_procedures.may_view(me, procedure, at),
        "may_restore": access.decide(me, "manage_access", at=at, procedure=procedure).allowed,
    }
    context |= drafts.on_procedure(me, procedure)
    if context["may_view"]:
        context |= _tab(me, procedure, context["tab"])
    if context["version"] is not None and context["may_view"]:
        return _with_form(request, me, procedure, context["version"], context)
    status = 200 if request.method == "GET" else 409 if context["may_view"] else 403
    return show(request, "procedure.html", context, status=status, nav="procedures")


def _tab(me: Person, procedure: Procedure, tab: str) -> dict[str, Any]:
    if tab == "history":
        wanted = pages_runs.RunFilter(procedure=procedure.name)
        return {"history": pages_runs.list_runs(me, wanted, now())[0]}
    if tab == "versions":
        return {
            "versions": without_others(procedure.versions.select_related("submitter"), me).order_by("-number")[:100]
        }
    if tab == "use":
        return use.of_procedure(me, procedure, now())
    if tab == "access":
        return {"grants": pages_procedures.grants_on(procedure, now())}
    return {}


def _with_form(
    request: HttpRequest, me: Person, procedure: Procedure, version: Version, context: dict[str, Any]
) -> HttpResponse:
    asking = asked(version, request)
    where = pages_procedures.environments_of(me, version, procedure, now())
    chosen = asking.environment or next((e.name for e, may in where if may), "")
    context |= {
        "kept": retention.declared(version.definition.get("evidence", {})),
        "moved": moved_on(version, now()),
        "grown": grown(version, now()),
        "conditional": is_conditional(version) or bool(sources(version.definition["parameters"])),
        "where": where,
        "chosen": chosen,
        "may_run": any(may for _, may in where),
        "lacking": [environment.name for environment, may in where if not may],
        "readme": prose.html(pages_procedures.readme_of(version)),
        "reason": asking.posted.get("reason", ""),
        "priorities": PRIORITIES,
        "priority": asking.posted.get("priority") or PRIORITIES[NORMAL],
        "narrowed": asking.posted.get("targets", ""),
        "earlier": _earlier(me, asking.posted.get("from", "")),
        "usual": pages_runs.usual_s(procedure.id, chosen or None),
    }
    status = 200
    attach(asking, actor=me, environment=chosen, at=now())
    context |= {"matches": _matches(me, asking, chosen), "no_runner": _no_runner(version, chosen)}
    if request.method == "GET":
        _prefill(me, request.GET.get("from", ""), asking, context, failed=request.GET.get("failed") == "1")
    elif asking.on_the_spot:
        status = 200 if "go" not in asking.posted or asking.step() else 422
    else:
        try:
            wish = _again(asking.wish(procedure.name), context["earlier"])
            if "preview" not in asking.posted:
                return redirect("web:run", runs.request_run(actor=me, wish=wish, at=now()).pk)
            context["preview"] = _preview(me, version, wish)
        except step_up.StepUpNeeded:
            raise
        except OpsError as problem:
            _refused(asking, problem, context)
            status = status_of(problem)
    return show(request, "procedure.html", context | asking.context(), status=status, nav="procedures")


@page
@require_POST
def preview(request: HttpRequest, name: str) -> HttpResponse:
    """The panel "What will happen" alone, for the form as it stands; written by nobody."""
    me, asking = _asked(request, name)
    context: dict[str, Any] = {
        "procedure": asking.version.procedure,
        "version": asking.version,
        "may_run": True,
        "chosen": asking.environment,
        "usual": pages_runs.usual_s(asking.version.procedure_id, asking.environment),
        "matches": _matches(me, asking, asking.environment),
        "no_runner": _no_runner(asking.version, asking.environment),
    }
    try:
        context["preview"] = _preview(me, asking.version, asking.wish(name))
    except OpsError as problem:
        _refused(asking, problem, context)
    return render(request, "parts/will_happen.html", context)


@page
@require_POST
def fields(request: HttpRequest, name: str) -> HttpResponse:
    """The form's fields alone, as they are asked once what was typed has had its say."""
    me, asking = _asked(request, name)
    attach(asking, actor=me, environment=asking.environment, at=now())
    return render(request, "parts/fields.html", asking.context())


def _asked(request: HttpRequest, name: str) -> tuple[Person, Asking]:
    """Who asks, and the form as it stands. Raises NotFound."""
    me, at = person_of(request), now()
    procedure = pages_procedures.one_procedure(me, name, at)
    version = pages_procedures.accepted(procedure, at)
    if version is None or not pages_procedures.may_view(me, procedure, at):
        raise NotFound("There is nothing to run.")
    return me, asked(version, request)


def _preview(me: Person, version: Version, wish: runs.Wish) -> dict[str, Any]:
    planned = preview_run(actor=me, wish=wish, at=now())
    plan: Mapping[str, Any] = parse(planned.data)
    environment = Environment.objects.get(pk=wish.environment)
    procedure = Procedure.objects.get(name=wish.procedure)
    approvers = pages_procedures.approvers_of(procedure, environment, now(), but=me) if plan["approvals"] else 0
    return {
        "plan": plan,
        "environment": environment,
        "approvers": approvers,
        "proof": step_up.why_asked(me, environment, plan["risk"], now()),
        "no_runner": capabilities.no_runner_for(capabilities.need_before(version, environment, plan), now()),
        "largest": max((len(batch) for batch in plan["batches"]), default=0),
    }


def _matches(me: Person, asking: Asking, environment: str) -> Matches | None:
    """Which targets the filter finds with what is typed so far."""
    where = Environment.objects.filter(name=environment).first()
    return matches(me, asking.version, where, asking.typed, now())


def _no_runner(version: Version, environment: str) -> str:
    """Why nothing would take a run of this there, as far as that is known before it is planned, or ""."""
    where = Environment.objects.filter(name=environment).first()
    return capabilities.no_runner_for(capabilities.need_before(version, where), now()) if where else ""


def _prefill(me: Person, run: str, asking: Asking, context: dict[str, Any], *, failed: bool) -> None:
    """Fill the form as an earlier run was, which this person may see."""
    earlier = _earlier(me, run)
    if earlier is None:
        return
    refilled(asking, earlier.parameters)
    targets = reruns.went_wrong(earlier) if failed else earlier.narrowed_to
    context |= {"chosen": earlier.environment_id, "narrowed": " ".join(targets), "earlier": earlier}


def _again(wish: runs.Wish, earlier: Run | None) -> runs.Wish:
    """The wish as a repetition of that run, if it is on the same targets or on those where that one went wrong."""
    if earlier is None or set(wish.targets) not in (set(), set(earlier.narrowed_to), set(reruns.went_wrong(earlier))):
        return wish
    return replace(wish, again_of=earlier)


def _earlier(me: Person, run: str) -> Run | None:
    """The run that this one is to repeat, which this person may see; None where none is named. Raises NotFound."""
    try:
        return pages_runs.one_run(me, UUID(run), now()) if run else None
    except ValueError as problem:
        raise NotFound("There is no such run.") from problem


def _refused(asking: Asking, problem: OpsError, context: dict[str, Any]) -> None:
    asking.refuse(problem)
    context["problem"] = problem
    context["at_field"] = {row["pointer"].lstrip("/"): row["message"] for row in problem.field_errors()}
