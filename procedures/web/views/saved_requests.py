"""Saved requests: an auditor's list of what to ask for, each with what was given and when."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.periods import MONTHS
from procedures.models import Environment
from procedures.queries import auditing, populations, saved_requests
from procedures.services import saved_requests as services
from procedures.web.doors import page, person_of, show
from procedures.web.views.populations import OUTCOMES, RISKS

NAMED = tuple(name for name in populations.FIELDS if name not in {"from", "to"})


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    me, at = person_of(request), now()
    context = {
        "saved": saved_requests.all_saved(me, at=at),
        "asked": {name: request.GET.get(name, "") for name in NAMED},
        "environments": Environment.objects.all(),
        "outcomes": OUTCOMES,
        "risks": RISKS,
        "periods": MONTHS,
        "whole": auditing.is_whole(auditing.reach_of(me, at)),
    }
    return show(request, "saved_requests.html", context, nav="evidence")


@page
@require_POST
def save(request: HttpRequest) -> HttpResponse:
    posted = request.POST
    made = services.save(
        actor=person_of(request),
        name=posted.get("name", "").strip(),
        wanted={name: posted.get(name, "").strip() for name in NAMED},
        period=posted.get("period", ""),
        at=now(),
    )
    return redirect("web:saved-request", made)


@page
@require_safe
def one(request: HttpRequest, saved: str) -> HttpResponse:
    me, at = person_of(request), now()
    found = saved_requests.one_saved(me, str(saved), at=at)
    context = {"found": found, "periods": found.periods(at), "begun": populations.begun()}
    return show(request, "saved_request.html", context, nav="evidence")


@page
@require_POST
def ask(request: HttpRequest, saved: str) -> HttpResponse:
    _, found = services.ask(
        actor=person_of(request), request=str(saved), of=request.POST.get("of", "").strip(), at=now()
    )
    messages.success(request, f"Counted: {found.count.runs} runs. The answer stands in the log.")
    return redirect("web:saved-request", saved)


@page
@require_POST
def drop(request: HttpRequest, saved: str) -> HttpResponse:
    services.drop(actor=person_of(request), request=str(saved), at=now())
    messages.success(request, "Dropped. What it was answered with stays.")
    return redirect("web:saved-requests")
