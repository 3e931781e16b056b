"""Answers for access managers and auditors: who can, what can a person, what drifted, what was not separate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from procedures.answers import asked, drift, files, registers, separation, who
from procedures.domain.clock import now
from procedures.domain.errors import NotFound
from procedures.models import VERBS, Environment, Person, Procedure
from procedures.services import readings
from procedures.web.doors import page, person_of, show

Rows = Sequence[Any]
SHOWN = 1000  # rows of a page; the files hold all of them


def _who(request: HttpRequest, at: datetime) -> Rows:
    verb, procedure, environment = asked.question(request.GET)
    return who.who_can(verb, procedure=procedure, environment=environment, at=at)


def _person(request: HttpRequest, at: datetime) -> Rows:
    me = person_of(request)
    row = asked.person_of(me, request.GET.get("person") or me.username, now())
    return who.what_can(str(row.subject), at=at)


def _drift(_: HttpRequest, __: datetime) -> Rows:
    return drift.drift(now())


def _separation(_: HttpRequest, at: datetime) -> Rows:
    return separation.separation_report(at)


def _register(name: str) -> Callable[[HttpRequest, datetime], Rows]:
    return lambda _, at: registers.REGISTERS[name](at)


ROWS: dict[str, Callable[[HttpRequest, datetime], Rows]] = {
    "who": _who,
    "person": _person,
    "drift": _drift,
    "separation": _separation,
    **{name: _register(name) for name in registers.REGISTERS},
}


@page
@require_safe
def one(request: HttpRequest, kind: str) -> HttpResponse:
    """The answer as a page; with `?as=csv` as a file whose cells are no formulas."""
    me = person_of(request)
    if kind not in ROWS:
        raise NotFound("There is no such question.")
    reads = asked.is_reader(me, now())
    if kind != "person":
        asked.require_reader(me, now())
    at = asked.moment_of(request.GET.get("as_of", ""), now(), pointer="/as_of")
    rows = ROWS[kind](request, at)
    if form := request.GET.get("as", ""):
        data, media = files.file_of(form, kind, rows, at=at, by=me.username)
        if reads:
            readings.note_read(actor=me, what=f"{kind} as {form}", at=now())
        answer = HttpResponse(data, content_type=media)
        answer["Content-Disposition"] = f'attachment; filename="{kind}.{form}"'
        return answer
    context: dict[str, Any] = {
        "kind": kind,
        "told": kind == "separation" or kind in registers.REGISTERS,
        "kinds": files.TITLES.items() if reads else [("person", files.TITLES["person"])],
        "rows": rows[:SHOWN],
        "count": len(rows),
        "as_of": request.GET.get("as_of", ""),
        "then": at,
        "asked": {name: request.GET.get(name, "") for name in ("verb", "procedure", "environment", "person")},
        "link": request.GET.urlencode(),
    }
    if reads:
        context |= {
            "verbs": VERBS,
            "procedures": Procedure.objects.order_by("title")[:500],
            "environments": Environment.objects.all(),
            "people": Person.objects.exclude(kind=Person.Kind.SYSTEM).order_by("name")[:1000],
        }
    return show(request, "answers.html", context, nav="access")
