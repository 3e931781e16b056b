"""What waits for a decision, over REST: the caller's own inbox, who else could decide, and asking one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, uuid
from procedures.domain.clock import now
from procedures.models import DecisionAsked
from procedures.queries import passed_on
from procedures.services import passing_on


class Decisions(Door):
    """GET: everything that waits for the caller, with for whom they stand in and who asked them, by kind."""

    by_token: ClassVar[Mapping[str, str]] = {}  # people decide, signed in

    def get(self, request: Request) -> Response:
        rows = [told(one) for one in passed_on.inbox(self.actor, now())]
        return Response({"results": rows, "next": None, "previous": None})


class PassOn(Door):
    """GET: who else could decide this, and who was asked to. POST asks one of them."""

    by_token: ClassVar[Mapping[str, str]] = {}  # people decide, signed in

    def get(self, request: Request, what: str, pk: str) -> Response:
        at = now()
        row = passing_on.waiting(self.actor, what, uuid(pk), at)
        able = [one.username for one in passing_on.could_decide(row, at)]
        return Response({"could_decide": able, "asked": [asked(one) for one in passed_on.asked(row)]})

    def post(self, request: Request, what: str, pk: str) -> Response:
        data = inputs.checked(inputs.PASS, request.data)
        row = passing_on.pass_on(
            actor=self.actor,
            what=what,
            about=uuid(pk),
            to=uuid(data["to"]),
            reason=data["reason"],
            at=now(),
            bearer=self.bearer,
        )
        return Response(asked(row), status=201)


def asked(row: DecisionAsked) -> dict[str, Any]:
    return {
        "what": row.what,
        "about": str(row.about),
        "to": row.person.username,
        "by": row.by.username,
        "reason": row.reason,
        "at": shapes.at(row.at),
    }


def told(one: passed_on.Waiting) -> dict[str, Any]:
    return {
        "what": one.what,
        "id": str(one.row.pk),
        "title": one.title,
        "asked_by": one.asker,
        "decide_by": shapes.at(one.until),
        "deputy_for": [person.username for person in one.beside.stands_for],
        "passed_on": [asked(row) for row in one.beside.asked],
        "url": one.path,
    }
