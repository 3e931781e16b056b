"""Approving runs of a schedule ahead over REST: what each would do, the statement to sign, and taking one back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, uuid
from procedures.domain.canonical import canon, parse_moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.models import Standing
from procedures.queries import ahead as queries
from procedures.services import giving_ahead

PEOPLE: Mapping[str, str] = {}  # people decide, signed in


def shape(one: queries.Given) -> dict[str, Any]:
    row = one.row
    return {
        "id": str(row.pk),
        "approver": row.approver.username,
        "duties": row.duties,
        "comment": row.comment,
        "at": shapes.at(row.at),
        "not_after": shapes.at(row.not_after_at),
        "runs": row.runs,
        "used": one.used,
        "left": one.left,
        "plan_digest": row.plan_digest,
        "counts": not one.why_not,
        "why_not": one.why_not,
        "taken_back_by": row.taken_back_by.username if row.taken_back_by else None,
    }


def shown(row: Standing, at: datetime) -> list[dict[str, Any]]:
    return [shape(one) for one in queries.given(row, at)]


class Ahead(Door):
    """GET ?runs=&days= or &not_after=: what the next runs would do, and with a number the statement to sign over that
    many of them. POST gives it, signed.
    """

    by_token: ClassVar[Mapping[str, str]] = PEOPLE

    def get(self, request: Request, name: str) -> Response:
        at = now()
        found = giving_ahead.offer(actor=self.actor, name=name, at=at)
        said: dict[str, Any] = {
            "plan_digest": found.digest,
            "bytes": base64.b64encode(found.data).decode(),
            "approvals": dict(found.needed),
        }
        if request.GET.get("runs"):
            count, until = _whole(request, "runs"), _until(request, at)
            value = giving_ahead.statement_for(actor=self.actor, found=found, count=count, until=until, at=at)
            said |= {"value": value, "statement": base64.b64encode(canon(value)).decode()}
        return Response(said)

    def post(self, request: Request, name: str) -> Response:
        data, at = inputs.checked(inputs.AHEAD, request.data), now()
        row = giving_ahead.approve_ahead(
            actor=self.actor,
            name=name,
            count=data["runs"],
            until=moment_of(data["not_after"]),
            plan_digest=data["plan_digest"],
            comment=data.get("comment", ""),
            signature=data.get("signature"),
            at=at,
            bearer=self.bearer,
        )
        return Response(shape(queries.as_given(row, at)), status=201)


class TakeBack(Door):
    """POST {reason}: it lets nothing go from now on."""

    by_token: ClassVar[Mapping[str, str]] = PEOPLE

    def post(self, request: Request, name: str, pk: str) -> Response:
        data, at = inputs.checked(inputs.WHY, request.data), now()
        why = data["reason"]
        row = giving_ahead.take_back(actor=self.actor, name=name, pre_approval=uuid(pk), reason=why, at=at)
        return Response(shape(queries.as_given(row, at)))


def _whole(request: Request, name: str) -> int:
    text = request.GET.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise InvalidInput([(f"/{name}", "is a whole number")])
    return int(text)


def _until(request: Request, at: datetime) -> datetime:
    if text := request.GET.get("not_after"):
        return moment_of(text)
    return at + timedelta(days=_whole(request, "days"))


def moment_of(text: str) -> datetime:
    """Raises InvalidInput."""
    try:
        return parse_moment(text)
    except ValueError as problem:
        raise InvalidInput([("/not_after", "is a moment like 2026-12-24T18:00:00.000000Z")]) from problem
