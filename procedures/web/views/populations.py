"""Where an auditor works: the runs of a filter counted from every header, fixed populations, and samples of them."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, OpsError
from procedures.evidence.verify import STRATA
from procedures.models import Environment
from procedures.queries import auditing, populations
from procedures.services import exports, readings
from procedures.web.doors import page, person_of, show

OUTCOMES = ("succeeded", "failed", "timed_out", "canceled", "denied", "rejected", "expired", "interrupted")
RISKS = ("low", "moderate", "high")


@page
@require_safe
def counted(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The runs that a filter names, with the panel; `?as=csv` gives the file that the panel's SHA-256 is of."""
    me, wanted = person_of(request), _wanted(request.GET.dict())
    found, problem = None, None
    reach = auditing.reach_of(me, now())
    size, start = _number(request, "size"), _number(request, "start")
    asked = any(wanted.values()) or size
    try:
        found = populations.population(me, wanted, at=now(), size=size) if populations.begun() else None
    except InvalidInput as refusal:
        if asked or auditing.is_whole(reach):
            problem = refusal  # else nothing was asked yet, and everything is more than this engagement is for
    if found is not None and request.GET.get("as") == "csv":
        readings.note_read(actor=me, what=found.said(), at=now())
        file = StreamingHttpResponse(found.count.csv(), content_type="text/csv; charset=utf-8")
        file["Content-Disposition"] = 'attachment; filename="population.csv"'
        return file
    return _shown(request, found, problem, wanted, start)


def _shown(
    request: HttpRequest,
    found: populations.Population | None,
    problem: OpsError | None,
    wanted: dict[str, str],
    start: int,
) -> HttpResponse:
    me = person_of(request)
    reach = auditing.reach_of(me, now())
    rows = found.rows(start) if found else []
    held = {name: value for name, value in wanted.items() if value} | ({"size": str(found.count.size)} if found else {})
    context = {
        "problem": problem,
        "found": found,
        "panel": found.panel() if found else None,
        "rows": rows,
        "start": start,
        "end": start + len(rows),
        "held": held,
        "asked": wanted,
        "environments": Environment.objects.all(),
        "outcomes": OUTCOMES,
        "risks": RISKS,
        "fixed": populations.all_fixed(me, at=now())[:50],
        "whole": auditing.is_whole(reach),
        "engagements": auditing.engagements(me, now()),
    }
    return show(request, "population.html", context, status=422 if problem else 200, nav="evidence")


@page
@require_POST
def fix(request: HttpRequest) -> HttpResponse:
    """Fix what the page shows; the nonce is spoken only after that."""
    known = exports.fix(actor=person_of(request), wanted=_wanted(request.POST.dict()), at=now())
    return redirect("web:fixed-population", known["population"])


@page
@require_safe
def fixed(request: HttpRequest, population: UUID) -> HttpResponse:
    found = populations.one_fixed(person_of(request), str(population), at=now())
    return show(request, "sample.html", {"found": found, "strata": STRATA}, nav="evidence")


@page
@require_POST
def draw(request: HttpRequest, population: UUID) -> HttpResponse:
    count, nonce = request.POST.get("count", ""), request.POST.get("nonce", "")
    if not (count.isascii() and count.isdecimal() and len(count) < 7):
        raise InvalidInput([("/count", "is no number such as 25")])
    exports.draw(
        actor=person_of(request),
        population=str(population),
        nonce=nonce,
        count=int(count),
        strata=request.POST.get("strata", ""),
        at=now(),
    )
    return redirect("web:fixed-population", population)


def _wanted(given: dict[str, str]) -> dict[str, str]:
    return {name: given.get(name, "").strip() for name in populations.FIELDS}


def _number(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise InvalidInput([(f"/{name}", "is no number such as 50")])
    return int(text)
