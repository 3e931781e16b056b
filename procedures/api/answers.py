"""Who may what and why, as of a date; tables against evidence; separation of duties. For managers and auditors."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from procedures.answers import asked, drift, files, registers, separation, who
from procedures.api.door import Door, attached
from procedures.domain.clock import now
from procedures.domain.errors import NotFound
from procedures.models import VERBS
from procedures.services import readings


class Answers(Door):
    """What the answers share: who may ask, and the moment that is asked about."""

    def moment(self, request: Request, name: str = "as_of") -> datetime:
        return asked.moment_of(request.GET.get(name, ""), now(), pointer=f"/{name}")


class Holders(Answers):
    """`?verb=&procedure=&environment=&as_of=`: everybody who can, by the grant that says so."""

    def get(self, request: Request) -> Response:
        asked.require_reader(self.actor, now())
        verb, procedure, environment = asked.question(request.GET)
        at = self.moment(request)
        rows = who.who_can(verb, procedure=procedure, environment=environment, at=at)
        return Response({"verbs": list(VERBS), "as_of": at, "results": [asdict(row) for row in rows], "next": None})


class PersonHolds(Answers):
    """What one person can do; everybody may ask about themselves."""

    def get(self, request: Request, username: str) -> Response:
        person = asked.person_of(self.actor, username, now())
        at = self.moment(request)
        rows = who.what_can(str(person.subject), at=at)
        return Response(
            {"person": person.username, "as_of": at, "results": [asdict(row) for row in rows], "next": None}
        )


class Differences(Answers):
    """Where live tables say something else than the signed events; nothing on an honest portal."""

    def get(self, request: Request) -> Response:
        asked.require_reader(self.actor, now())
        return Response({"results": [asdict(row) for row in drift.drift(now())], "next": None})


class Registers(Answers):
    """`?as_of=`: the exceptions, or a register: reads, changes, stops, erasures, outages; `?as=csv` or `pdf`."""

    def get(self, request: Request, name: str) -> Response | HttpResponse:
        asked.require_reader(self.actor, now())
        if name not in registers.REGISTERS:
            raise NotFound("There is no such register.")
        at = self.moment(request)
        rows = registers.REGISTERS[name](at)
        if form := request.GET.get("as", ""):
            data, media = files.file_of(form, name, rows, at=at, by=self.actor.username)
            readings.note_read(actor=self.actor, what=f"{name} as {form}", at=now())
            return attached(HttpResponse(data, content_type=media), f"{name}.{form}")
        return Response({"results": [asdict(row) for row in rows], "next": None})


class Separation(Answers):
    """`?since=&as_of=`: violations, known exceptions, duties combined, rights held together."""

    def get(self, request: Request) -> Response:
        asked.require_reader(self.actor, now())
        since = self.moment(request, "since") if request.GET.get("since") else None
        rows = separation.separation_report(self.moment(request), since=since)
        return Response({"results": [asdict(row) for row in rows], "next": None})
