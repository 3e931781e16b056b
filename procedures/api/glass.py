"""Break-glass over the API: the register, the statement to sign, breaking and reviewing. Never by a bearer token."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, uuid
from procedures.api.runs import RunDoor
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.models import GlassBreak
from procedures.queries import glass
from procedures.services import break_glass


def told(use: GlassBreak) -> dict[str, Any]:
    """A use as the API tells it."""
    return {
        "id": str(use.pk),
        "run": str(use.run_id),
        "no": use.run.no,
        "procedure": use.run.procedure.name,
        "environment": use.run.environment_id,
        "person": use.person.username,
        "at": shapes.at(use.at),
        "not_after": shapes.at(use.not_after_at),
        "skips": use.skips,
        "reason": use.reason,
        "reviewer": use.reviewer.username if use.reviewer else None,
        "reviewed_at": shapes.at(use.reviewed_at) if use.reviewed_at else None,
        "verdict": use.verdict or None,
        "comment": use.comment,
    }


def to_sign(value: Mapping[str, Any]) -> Response:
    return Response({"statement": base64.b64encode(canon(dict(value))).decode(), "value": value})


class Register(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = [told(use) for use in glass.register(self.actor, now())]
        return Response({"results": rows, "next": None, "previous": None})


class Break(RunDoor):
    """GET words the statement over the plan as it is now, for `?reason=`; POST takes it signed."""

    def get(self, request: Request, pk: str) -> Response:
        reason = request.GET.get("reason", "")[:2000]
        value = break_glass.statement_for(actor=self.actor, run=self.run(pk), reason=reason, at=now())
        return to_sign(value)

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.BREAK, request.data)
        use = break_glass.break_the_glass(
            actor=self.actor,
            run=uuid(pk),
            plan_digest=data["plan_digest"],
            reason=data["reason"],
            signature=data.get("signature"),
            at=now(),
            bearer=self.bearer,
        )
        return Response(told(use), status=201)


class ReviewGlass(Door):
    """GET words the statement, for `?verdict=` and `?comment=`; POST takes it signed."""

    def get(self, request: Request, pk: str) -> Response:
        use = glass.one_use(self.actor, uuid(pk), now())
        verdict, comment = request.GET.get("verdict", ""), request.GET.get("comment", "")[:2000]
        value = break_glass.review_statement_for(actor=self.actor, use=use, verdict=verdict, comment=comment)
        return to_sign(value)

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.FOUND, request.data)
        use = break_glass.review_glass(
            actor=self.actor,
            use=uuid(pk),
            verdict=data["verdict"],
            comment=data["comment"],
            signature=data.get("signature"),
            at=now(),
            bearer=self.bearer,
        )
        return Response(told(use))
