"""A draft on a page of its own: what it still cannot do, its form, and Run; in the disposable pool alone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from procedures import access
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotFound, OpsError
from procedures.models import Environment, Person, Procedure, Version
from procedures.queries import pages_reviews
from procedures.queries.drafts import own_draft
from procedures.services import drafts, runs
from procedures.web import schema_form
from procedures.web.doors import page, person_of, show, status_of


def on_procedure(me: Person, procedure: Procedure) -> dict[str, Any]:
    """What a procedure's page offers of drafts: the own one, or a version to make one of."""
    if not access.decide(me, "author", at=now(), procedure=procedure).allowed:
        return {}
    rows = procedure.versions.filter(state__in=["in_review", "accepted"]).order_by("-number")
    return {"own_draft": own_draft(me, procedure), "triable": rows.first()}


@page
@require_POST
def make(request: HttpRequest, version: UUID) -> HttpResponse:
    """Make a draft of a version that one may see and author."""
    me = person_of(request)
    row = pages_reviews.one_version(me, version, now())
    return redirect("web:draft", drafts.draft_of(actor=me, version=row.id, at=now()).id)


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, version: UUID) -> HttpResponse:
    """The own draft; POST runs it."""
    me = person_of(request)
    row = pages_reviews.one_version(me, version, now())
    if not row.draft:
        raise NotFound("There is no such draft.")
    form = _form(request, row)
    where = Environment.objects.filter(drafts=True, production=False, name__in=row.definition["environments"])
    context: dict[str, Any] = {
        "version": row,
        "form": form,
        "where": where,
        "chosen": request.POST.get("environment") or (where[0].name if where else ""),
    }
    if request.method == "GET":
        return show(request, "draft.html", context, nav="procedures")
    wish = runs.Wish(
        procedure=row.procedure.name,
        environment=context["chosen"],
        parameters=schema_form.values(form, request.POST),
        reason=request.POST.get("reason", ""),
        digest=row.digest,
        door="web",
        draft=True,
    )
    try:
        return redirect("web:run", runs.request_run(actor=me, wish=wish, at=now()).pk)
    except OpsError as problem:
        rest = schema_form.put_errors(form, problem.field_errors(), under="parameters")
        context |= {"problem": problem, "rest": rest if isinstance(problem, InvalidInput) else []}
        return show(request, "draft.html", context, status=status_of(problem), nav="procedures")


def _form(request: HttpRequest, version: Version) -> list[schema_form.FormPage]:
    schemas = version.definition.get("pages") or [version.definition["parameters"]]
    if request.method == "POST":
        return schema_form.grown(schemas, request.POST)[0]
    return schema_form.pages(schemas)
