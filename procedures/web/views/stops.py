"""Stop switches: what stands still and since when, and the forms that throw one or propose to lift one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures.domain.clock import now
from procedures.models import Environment
from procedures.queries import stops as queries
from procedures.services import stops
from procedures.web.doors import page, person_of, show


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    me, at = person_of(request), now()
    context = {
        "live": queries.seen_by(me, at, live=True),
        "past": queries.seen_by(me, at, live=False),
        "environments": Environment.objects.all(),
        "procedure": request.GET.get("procedure", "")[:63],
    }
    return show(request, "stops.html", context, nav="environments")


@page
@require_POST
def throw(request: HttpRequest) -> HttpResponse:
    posted = request.POST
    made = stops.throw(
        actor=person_of(request),
        environment=posted.get("environment") or None,
        procedure=posted.get("procedure", "").strip() or None,
        reason=posted.get("reason", ""),
        at=now(),
    )
    messages.success(request, f"Stopped: {made.what}. It is in the evidence, and those who answer for it are told.")
    return redirect("web:stops")
