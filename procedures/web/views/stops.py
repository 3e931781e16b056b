"""Stop switches: what stands still and since when, and the forms that throw one or propose to lift one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.models import Environment
from procedures.queries import stops as queries
from procedures.services import stops
from procedures.web.doors import page, person_of, show

EVERYTHING = "*"  # chosen by name: a form that was sent half filled in never stops the whole portal


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    me, at = person_of(request), now()
    context = {
        "live": queries.seen_by(me, at, live=True),
        "past": queries.seen_by(me, at, live=False),
        "environments": Environment.objects.all(),
        "everything": EVERYTHING,
        "procedure": request.GET.get("procedure", "")[:63],
    }
    return show(request, "stops.html", context, nav="environments")


@page
@require_POST
def throw(request: HttpRequest) -> HttpResponse:
    posted = request.POST
    place, procedure = posted.get("environment", ""), posted.get("procedure", "").strip()
    if place == EVERYTHING and procedure:
        raise InvalidInput([("/procedure", "is not taken with everything: choose one of the two")])
    if not place and not procedure:
        raise InvalidInput([("/environment", "choose an environment, or everything, or name a procedure")])
    made = stops.throw(
        actor=person_of(request),
        environment=None if place in {"", EVERYTHING} else place,
        procedure=procedure or None,
        reason=posted.get("reason", ""),
        at=now(),
    )
    messages.success(request, f"Stopped: {made.what}. It is in the evidence, and those who answer for it are told.")
    return redirect("web:stops")
