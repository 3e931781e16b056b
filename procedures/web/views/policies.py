"""Policies: what each holds, its settings as a form, and the change that is to be signed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_http_methods, require_safe

from procedures import access
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.policies import STAGES
from procedures.models import Environment
from procedures.queries import pages_policies
from procedures.queries.policies import standing
from procedures.services import policy_controls, policy_trials
from procedures.web import form_texts, policy_forms, schema_form
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.views.changes import proposal

STAGE_WORDS = {"submit": "a version", "request": "a request", "plan": "a plan and its start"}


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    rows = pages_policies.policies(person_of(request), now())
    return show(request, "policies.html", {"rows": rows, "digest": standing().digest}, nav="access")


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, name: str) -> HttpResponse:
    """A policy and the form of its settings; POST shows the change that is to be signed."""
    me, at = person_of(request), now()
    row = pages_policies.one_policy(me, name, at)
    if request.method == "GET":
        return show(request, "policy.html", _context(request, row), nav="access")
    posted = _rows_changed(request.POST)
    form, settings = policy_forms.form(row, posted)
    context = _context(request, row) | {"form": form, "chosen": policy_forms.made(row, settings, posted, at)}
    if "grow" in posted or "shrink" in request.POST:
        return show(request, "policy.html", context, nav="access")
    try:
        if posted.get("do") == "try":
            days = form_texts.whole(posted, "days")
            context["past"] = policy_trials.past_of(actor=me, object=context["chosen"], days=days, at=at)
            return show(request, "policy.html", context, nav="access")
        access.require(me, "manage_access", at=at)
        if found := policy_controls.problems(context["chosen"]):
            raise InvalidInput(found)
        return show(request, "propose.html", proposal(request, me, "policy", context["chosen"]), nav="access")
    except OpsError as problem:
        errors = [{**error, "pointer": error["pointer"].removeprefix("/object")} for error in problem.field_errors()]
        rest = schema_form.put_errors(form, errors, under="settings")
        context |= {"problem": problem, "rest": rest}
        return show(request, "policy.html", context, status=status_of(problem), nav="access")


def _rows_changed(posted: QueryDict) -> QueryDict:
    return schema_form.without_row(posted, posted.get("shrink", "")) if "shrink" in posted else posted


def _context(request: HttpRequest, row: pages_policies.Row) -> dict[str, Any]:
    form, settings = policy_forms.form(row, None)
    stages = row.made_from.stages if row.made_from else STAGES
    chosen = {"mode": row.mode, "stages": list(stages), "environments": [], **row.object, "settings": settings}
    return {
        "row": row,
        "form": form,
        "chosen": chosen,
        "stages": [(stage, STAGE_WORDS[stage]) for stage in stages],
        "modes": policy_forms.MODE_WORDS.items(),
        "environments": Environment.objects.all(),
        "source": row.made_from.source if row.made_from else row.object.get("source", ""),
        "may": access.decide(person_of(request), "manage_access", at=now()).allowed,
    }
