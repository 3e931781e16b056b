"""Secret results on a run's page: handed out encrypted, as they lie here; the browser opens nothing."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from procedures.domain.clock import now
from procedures.queries import pages_runs
from procedures.services import results
from procedures.web.doors import download, page, person_of


@page
@require_POST
def fetch(request: HttpRequest, run: UUID, result: UUID) -> HttpResponse:
    """The age file, to keep; one that is picked up once is gone from here after it."""
    me = person_of(request)
    pages_runs.one_run(me, run, now())
    row, content = results.fetch_result(actor=me, run=run, result=result, at=now())
    return download(content, f"{row.name}.age")


@page
@require_POST
def erase(request: HttpRequest, run: UUID, result: UUID) -> HttpResponse:
    me = person_of(request)
    pages_runs.one_run(me, run, now())
    reason = request.POST.get("reason", "")[:2000]
    results.erase_result(actor=me, run=run, result=result, reason=reason, at=now())
    return redirect(f"{reverse('web:run', args=[run])}?tab=outputs")
