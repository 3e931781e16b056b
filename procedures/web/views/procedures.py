"""The catalogue, and one procedure: its docs beside the form, what would happen, and Run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures import access
from procedures.domain import forms
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotFound, OpsError
from procedures.models import Environment, Person, Procedure, Run, Version
from procedures.queries import pages_procedures, pages_runs
from procedures.services import runs
from procedures.web import prose, schema_form
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.preview import preview_run

TABS = ("run", "history", "versions", "access")


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
    if context["may_view"]:
        context |= _tab(me, procedure, context["tab"])
    if context["version"] is not None and context["may_view"]:
        return _with_form(request, me, procedure, context["version"], context)
    return show(request, "procedure.html", context, nav="procedures")


def _tab(me: Person, procedure: Procedure, tab: str) -> dict[str, Any]:
    if tab == "history":
        wanted = pages_runs.RunFilter(procedure=procedure.name)
        return {"history": pages_runs.list_runs(me, wanted, now())[0]}
    if tab == "versions":
        return {"versions": procedure.versions.select_related("submitter").order_by("-number")[:100]}
    if tab == "access":
        return {"grants": pages_procedures.grants_on(procedure, now())}
    return {}


def _with_form(
    request: HttpRequest, me: Person, procedure: Procedure, version: Version, context: dict[str, Any]
) -> HttpResponse:
    form, secrets = _forms(version, request.POST)
    where = pages_procedures.environments_of(me, version, procedure, now())
    chosen = request.POST.get("environment") or next((e.name for e, may in where if may), "")
    context |= {
        "form": form,
        "conditional": _conditional(version),
        "secrets": secrets,
        "where": where,
        "chosen": chosen,
        "may_run": any(may for _, may in where),
        "readme": prose.html(pages_procedures.readme_of(version)),
        "reason": request.POST.get("reason", ""),
        "narrowed": request.POST.get("targets", ""),
        "usual": pages_runs.usual_s(procedure.id, chosen or None),
    }
    if request.method == "GET":
        _prefill(me, request.GET.get("from", ""), form, context)
        return show(request, "procedure.html", context, nav="procedures")
    wish = _wish(request, procedure, form, secrets)
    try:
        if "preview" not in request.POST:
            run = runs.request_run(actor=me, wish=wish, at=now())
            return redirect("web:run", run.pk)
        context["preview"] = _preview(me, wish)
    except OpsError as problem:
        _errors(problem, form, secrets, context)
        return show(request, "procedure.html", context, status=status_of(problem), nav="procedures")
    return show(request, "procedure.html", context, nav="procedures")


@page
@require_POST
def preview(request: HttpRequest, name: str) -> HttpResponse:
    """The panel "What will happen" alone, for the form as it stands; written by nobody."""
    me, at = person_of(request), now()
    procedure = pages_procedures.one_procedure(me, name, at)
    version = pages_procedures.accepted(procedure, at)
    if version is None or not pages_procedures.may_view(me, procedure, at):
        raise NotFound("There is nothing to run.")
    form, secrets = _forms(version, request.POST)
    environment = request.POST.get("environment", "")
    context: dict[str, Any] = {
        "procedure": procedure,
        "version": version,
        "may_run": True,
        "chosen": environment,
        "usual": pages_runs.usual_s(procedure.id, environment),
    }
    try:
        context["preview"] = _preview(me, _wish(request, procedure, form, secrets))
    except OpsError as problem:
        _errors(problem, form, secrets, context)
    return render(request, "parts/will_happen.html", context)


@page
@require_POST
def fields(request: HttpRequest, name: str) -> HttpResponse:
    """The form's fields alone, as they are asked once what was typed has had its say."""
    me, at = person_of(request), now()
    procedure = pages_procedures.one_procedure(me, name, at)
    version = pages_procedures.accepted(procedure, at)
    if version is None or not pages_procedures.may_view(me, procedure, at):
        raise NotFound("There is nothing to run.")
    return render(request, "parts/fields.html", {"form": _forms(version, request.POST)[0]})


def _forms(version: Version, posted: QueryDict) -> tuple[list[schema_form.FormPage], list[schema_form.FormPage]]:
    definition = version.definition
    schemas = definition.get("pages") or [definition["parameters"]]
    form = schema_form.grown(schemas, posted)[0] if posted else schema_form.pages(schemas)
    secrets = schema_form.pages([definition["secrets"]] if definition.get("secrets") else [], prefix="s", secret=True)
    return form, secrets


def _conditional(version: Version) -> bool:
    """Whether what is typed may change what is asked."""
    definition = version.definition
    return any(forms.is_conditional(schema) for schema in definition.get("pages") or [definition["parameters"]])


def _wish(
    request: HttpRequest, procedure: Procedure, form: list[schema_form.FormPage], secrets: list[schema_form.FormPage]
) -> runs.Wish:
    targets = request.POST.get("targets", "").replace(",", " ").split()
    return runs.Wish(
        procedure=procedure.name,
        environment=request.POST.get("environment", ""),
        parameters=schema_form.values(form, request.POST),
        secrets=schema_form.values(secrets, request.POST),
        targets=targets,
        reason=request.POST.get("reason", "").replace("\r\n", "\n"),
        digest=request.POST.get("digest") or None,
        door="web",
    )


def _preview(me: Person, wish: runs.Wish) -> dict[str, Any]:
    planned = preview_run(actor=me, wish=wish, at=now())
    plan: Mapping[str, Any] = parse(planned.data)
    environment = Environment.objects.get(pk=wish.environment)
    procedure = Procedure.objects.get(name=wish.procedure)
    approvers = pages_procedures.approvers_of(procedure, environment, now(), but=me) if plan["approvals"] else 0
    return {
        "plan": plan,
        "environment": environment,
        "approvers": approvers,
        "largest": max((len(batch) for batch in plan["batches"]), default=0),
    }


def _prefill(me: Person, run: str, form: list[schema_form.FormPage], context: dict[str, Any]) -> None:
    """Fill the form as an earlier run was, which this person may see."""
    if not run:
        return
    try:
        earlier: Run = pages_runs.one_run(me, UUID(run), now())
    except ValueError as problem:
        raise NotFound("There is no such run.") from problem
    schemas = earlier.version.definition.get("pages") or [earlier.version.definition["parameters"]]
    form[:] = schema_form.pages(schemas, filled=earlier.parameters)
    for one_field in (f for form_page in form for f in (*form_page.fields, *form_page.hidden)):
        if one_field.name in earlier.parameters:
            one_field.value = schema_form.as_text(one_field, earlier.parameters[one_field.name])
    context |= {"chosen": earlier.environment_id, "narrowed": " ".join(earlier.narrowed_to), "earlier": earlier}


def _errors(
    problem: OpsError, form: list[schema_form.FormPage], secrets: list[schema_form.FormPage], context: dict[str, Any]
) -> None:
    rows = problem.field_errors()
    sealed = [row for row in rows if row["pointer"].startswith("/secrets")]
    rest = schema_form.put_errors(form, rows, under="parameters")
    rest += schema_form.put_errors(secrets, sealed, under="secrets")
    context["problem"] = problem
    context["rest"] = rest if isinstance(problem, InvalidInput) else []
    context["at_field"] = {row["pointer"].lstrip("/"): row["message"] for row in rows}
