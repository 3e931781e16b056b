"""Asking for access on pages: the form, the request as its asker and its deciders see it, and the answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from procedures.domain.access_requests import ASKABLE, AccessRequestState
from procedures.domain.canonical import moment, parse_moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, OpsError
from procedures.models import AccessRequest, ControlChange, Person, Procedure
from procedures.queries import access_requests as requests
from procedures.queries import pages_procedures
from procedures.services import access_answers, access_requests
from procedures.services.request_states import gone
from procedures.web import control_forms, signing
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.views import changes


@page
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest, name: str) -> HttpResponse:
    """The form, filled by `?verb=` and `?environment=`; POST asks."""
    me, at = person_of(request), now()
    procedure = pages_procedures.one_procedure(me, name, at)
    if request.method == "GET":
        return show(request, "access_ask.html", _form(me, procedure, request.GET), nav="procedures")
    posted = request.POST
    try:
        wish = access_requests.Wish(
            procedure=name,
            verbs=posted.getlist("verb"),
            environments=posted.getlist("environment"),
            days=_days(posted),
            reason=posted.get("reason", ""),
            group=posted.get("group", ""),
        )
        row = access_requests.ask_for_access(actor=me, wish=wish, at=at)
    except OpsError as problem:
        return _again(request, "access_ask.html", _form(me, procedure, posted), problem)
    return redirect("web:access-request", row.pk)


@page
@require_http_methods(["GET", "POST"])
def extend(request: HttpRequest, grant: UUID) -> HttpResponse:
    """Ask for an own access again, from its end on."""
    me = person_of(request)
    context = {"grant": requests.own_grant(me, grant), "days": "30", "reason": ""}
    if request.method == "GET":
        return show(request, "access_extend.html", context, nav="access")
    reason = request.POST.get("reason", "")
    try:
        days = _days(request.POST)
        row = access_requests.ask_to_extend(actor=me, grant=grant, days=days, reason=reason, at=now())
    except OpsError as problem:
        context |= {"days": request.POST.get("days", ""), "reason": reason}
        return _again(request, "access_extend.html", context, problem)
    return redirect("web:access-request", row.pk)


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, asked: UUID) -> HttpResponse:
    """A request; POST refuses it or takes it back."""
    me = person_of(request)
    row = requests.one(me, asked, now())
    if request.method == "GET":
        return show(request, "access_request.html", _context(me, row), nav="access")
    try:
        if request.POST.get("act") == "withdraw":
            access_answers.withdraw_request(actor=me, request=row.pk, at=now())
        else:
            reason = request.POST.get("reason", "")
            access_answers.refuse_request(actor=me, request=row.pk, reason=reason, at=now())
    except OpsError as problem:
        row = requests.one(me, asked, now())
        return _again(request, "access_request.html", _context(me, row), problem)
    return redirect("web:access-request", row.pk)


@page
@require_POST
def grant(request: HttpRequest, asked: UUID) -> HttpResponse:
    """First what would be granted is shown to be signed; then, with `object`, it is."""
    me, at = person_of(request), now()
    row = requests.one(me, asked, at)
    here = {"act": request.path, "asked": row}
    if "object" not in request.POST:
        try:
            made = _narrowed(row, request.POST, me)
            return show(request, "propose.html", changes.proposal(request, me, "grant", made) | here, nav="access")
        except InvalidInput as problem:
            return _again(request, "access_request.html", _context(me, row), problem)
    made = changes.object_in(request.POST["object"])
    try:
        row, change = access_answers.grant_request(
            actor=me, request=row.pk, object=made, signature=signing.given(request.POST), at=at
        )
    except OpsError as problem:
        context = changes.proposal(request, me, "grant", made) | here | {"problem": problem}
        return show(request, "propose.html", context, status=status_of(problem), nav="access")
    if change.state == ControlChange.State.CONFIRMED:
        messages.success(request, "The access is in force and in the evidence.")
    return redirect("web:access-request", row.pk)


def _narrowed(row: AccessRequest, posted: QueryDict, me: Person) -> dict[str, Any]:
    """The grant that the decider's form describes, beginning when the request's would."""
    made = control_forms.build("grant", posted, me)
    asked, begins = requests.asked_of(row), requests.begins(row, now())
    length = parse_moment(made["expires_at"]) - parse_moment(made["not_before"])
    made |= {"principal": asked.principal, "not_before": moment(begins), "expires_at": moment(begins + length)}
    return {**made, **asked.kept, **({"procedure": asked.procedure} if asked.procedure else {})}


def _days(posted: QueryDict) -> int:
    try:
        return int(posted.get("days", ""))
    except ValueError as problem:
        raise InvalidInput([("/days", "is not a whole number")]) from problem


def _form(me: Person, procedure: Procedure, filled: QueryDict) -> dict[str, Any]:
    version = pages_procedures.accepted(procedure, now())
    return {
        "procedure": procedure,
        "verbs": ASKABLE,
        "places": requests.places(version),
        "groups": [membership.group for membership in me.memberships.select_related("group")],
        "chosen_verbs": filled.getlist("verb") or ["run"],
        "chosen_places": filled.getlist("environment"),
        "days": filled.get("days", "30"),
        "reason": filled.get("reason", ""),
        "group": filled.get("group", ""),
    }


def _context(me: Person, row: AccessRequest) -> dict[str, Any]:
    at = now()
    return {
        "asked": row,
        "mine": row.asker_id == me.pk,
        "open": row.state == AccessRequestState.OPEN,
        "ended": row.state not in requests.UNDER_WAY,
        "may_decide": requests.may_decide(me, row, at),
        "deciders": requests.deciders(row, at) if row.state == AccessRequestState.OPEN else [],
        "until": requests.begins(row, at) + timedelta(days=row.days),
        "gone": gone(row),
    }


def _again(request: HttpRequest, template: str, context: dict[str, Any], problem: OpsError) -> HttpResponse:
    return show(request, template, context | {"problem": problem}, status=status_of(problem), nav="access")
