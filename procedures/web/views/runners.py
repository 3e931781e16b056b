"""Runners: which there are, what each serves and can, and enrolling or ending one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from procedures.domain.clock import now
from procedures.queries import deciding, runners
from procedures.web.doors import page, person_of, show


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    me, at = person_of(request), now()
    return show(
        request,
        "runners.html",
        {
            "runners": runners.listed(me, at),
            "waiting": runners.waiting(me, at),
            "operates": deciding.may(me, "runner", {}, at=at).allowed,
        },
        nav="environments",
    )
