"""Home, the glossary, and the choice of light or dark."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from procedures.domain.clock import now
from procedures.queries import access_requests, pages_home, pages_shell, passed_on
from procedures.queries.pages_runs import last_outcomes
from procedures.web import words
from procedures.web.doors import THEMES, page, person_of, show

A_YEAR = 365 * 86_400


@page
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    me, at = person_of(request), now()
    approvals, reviews = pages_shell.approvable(me, at), pages_shell.reviewable(me, at)
    changes, asked = pages_shell.confirmable(me, at), access_requests.decidable(me, at)
    often = pages_home.often_used(me, at)
    outcomes = last_outcomes([row.id for row in often])
    steps = pages_home.first_steps(saw_evidence=bool(request.session.get("saw_evidence")))
    return show(
        request,
        "home.html",
        {
            "approvals": approvals,
            "reviews": reviews,
            "changes": changes,
            "asked": asked,
            "beside": passed_on.beside(me, [*approvals, *reviews, *changes, *asked], at),
            "live": pages_home.live_runs(me, at),
            "recent": pages_home.recent_runs(me),
            "often": [(row, outcomes[row.id]) for row in often],
            "environments": pages_home.environments_now(),
            "steps": steps if not all(step.done for step in steps) else [],
            "steps_done": sum(step.done for step in steps),
        },
        nav="home",
    )


@page
@require_safe
def glossary(request: HttpRequest) -> HttpResponse:
    return show(request, "glossary.html", {"words": sorted(words.glossary().items())})


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep light, dark or the system's choice in a cookie, and go back."""
    back = request.POST.get("next", "/")
    here = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    answer = redirect(back if here else "/")
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        answer.set_cookie("theme", chosen, max_age=A_YEAR, samesite="Lax", httponly=True, secure=request.is_secure())
    else:
        answer.delete_cookie("theme")
    return answer
