"""Schedules and hooks: what stands, the next ten moments, what came of each, and pausing one."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures import access
from procedures.domain import standing as rules
from procedures.domain.clock import now
from procedures.models import Environment, Person, Procedure, Standing
from procedures.queries import ahead, standing
from procedures.services import deliveries, standing_states
from procedures.services.accounts import accounts_for
from procedures.services.portal import profile_in_force
from procedures.web.doors import page, person_of, show
from procedures.web.standing_forms import told_when


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Those that this person sees, and the forms for new ones."""
    me, at, name = person_of(request), now(), request.GET.get("procedure", "")
    seen = standing.listed(me, at, procedure=name)
    return show(
        request,
        "schedules.html",
        {"seen": [(one, _goes_by(one.row)) for one in seen], "procedure": name, **_form(me)},
        nav="procedures",
    )


def _form(me: Person) -> dict[str, object]:
    """What the forms choose from: accounts of one's own, or all for whoever manages access."""
    at = now()
    seen = access.visible(Procedure.objects.all(), me, "run", at=at).distinct()
    return {
        "accounts": [row for row in accounts_for(me, at) if row.is_active],
        "environments": Environment.objects.all(),
        "procedures": seen.order_by("title")[:500],
        "outcomes": rules.OUTCOMES,
        "proofs": rules.PROOFS,
        "most": rules.MOST_A_MINUTE,
        "longest": rules.LONGEST.days,
    }


def _goes_by(row: Standing) -> str:
    return told_when(row.object["when"]) if row.kind == rules.SCHEDULE else f"signed by {row.object['proof']}"


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    """One with its history; POST pauses or resumes it."""
    me, at = person_of(request), now()
    if request.method == "POST":
        act = standing_states.resume if request.POST.get("do") == "resume" else standing_states.pause
        act(actor=me, kind=kind, name=name, reason=request.POST.get("reason", ""), at=at)
        return redirect("web:standing", kind, name)
    return show(request, "schedule.html", _context(me, standing.one_seen(me, kind, name, at)), nav="procedures")


def _context(me: Person, row: Standing) -> dict[str, object]:
    at = now()
    state, prepared = standing.state_of(row), standing.repinned(row, at)
    return {
        "row": row,
        "state": state,
        "goes_by": _goes_by(row),
        "planned": standing.next_ten(row.object, at) if state == "active" else [],
        "history": standing.history(row),
        "steers": standing.may_steer(me, row, at),
        "prepared": json.dumps(prepared) if prepared else "",
        "whole": json.dumps(row.object, indent=2, ensure_ascii=False),
        "people": standing.behind(row, profile="separate"),
        "given": [(one, ahead.may_take_back(me, one.row, at)) for one in ahead.given(row, at)],
        "lets_ahead": row.kind == rules.SCHEDULE and state == "active" and bool(row.environment.ahead_up_to),
        "approves": _approves(me, row),
        "shares": row.object.get("proof", rules.ED25519) != rules.ED25519 and not row.environment.production,
    }


def _approves(me: Person, row: Standing) -> bool:
    """Whether the way to approving ahead is shown; what stands against it there is told there."""
    at, version = now(), standing.accepted(row.procedure.name, now())
    may = access.decide(me, "approve", at=at, procedure=row.procedure, environment=row.environment).allowed
    return may and not ahead.barred(me, row, at, profile=profile_in_force(), version=version)


@page
@require_POST
def secret(request: HttpRequest, name: str) -> HttpResponse:
    """A fresh secret for the sender of a hook, shown this once."""
    me = person_of(request)
    fresh = deliveries.new_secret(actor=me, name=name, at=now())
    row = standing.one_seen(me, rules.HOOK, name, now())
    return show(request, "schedule.html", {**_context(me, row), "fresh": fresh}, nav="procedures")
