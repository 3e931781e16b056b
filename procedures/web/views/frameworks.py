"""A page for each framework: how its controls are operated here, from the map of controls and the log as it stands."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from procedures import access
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import controls
from procedures.evidence.verify import table
from procedures.queries import controls_shown
from procedures.services import readings
from procedures.web.doors import page, person_of, show


@page
@require_safe
def one(request: HttpRequest, framework: str) -> HttpResponse:
    """The page; with `?as=csv` a file whose cells are no formulas."""
    at = now()
    access.require(person_of(request), "audit", at=at)
    known = controls_shown.framework_of(framework)
    since = _day(request, "from", at - controls_shown.USUAL)
    until = _day(request, "to", at, after=True)
    found = controls_shown.operated(framework, since=since, until=until)
    if request.GET.get("as") == "csv":
        readings.note_read(actor=person_of(request), what=f"controls of {framework} as csv", at=at)
        data = table(controls_shown.as_rows(found, since=since, until=until))
        answer = HttpResponse(data, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{framework}.csv"'
        return answer
    said = {"controls": found, "framework": known, "frameworks": controls.FRAMEWORKS.values()}
    period = {"since": since, "until": until, "first": request.GET.get("from", ""), "last": request.GET.get("to", "")}
    return show(request, "framework.html", said | period, nav="evidence")


def _day(request: HttpRequest, name: str, missing: datetime, *, after: bool = False) -> datetime:
    """The beginning of a day, or its end; `missing` if none was given. Raises InvalidInput."""
    text = request.GET.get(name, "")
    if not text:
        return missing
    try:
        begins = datetime.combine(date.fromisoformat(text), time.min, tzinfo=UTC)
        return begins + timedelta(days=1) if after else begins
    except (ValueError, OverflowError) as problem:
        raise InvalidInput([(f"/{name}", "is not a date such as 2026-11-24")]) from problem
