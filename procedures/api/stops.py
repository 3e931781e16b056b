"""Stop switches over REST: thrown here; lifted as the control change `stop_lift`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.models import Stop
from procedures.queries import stops as queries
from procedures.services import stops


class Stops(Door):
    """GET: the live ones that this person may know of; POST: throw one, of everything unless a place is named."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = [_told(row) for row in queries.seen_by(self.actor, now(), live=True)]
        return Response({"results": rows, "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.STOP, request.data)
        return Response(_told(stops.throw(actor=self.actor, at=now(), **data)), status=201)


def _told(row: Stop) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "environment": row.environment_id,
        "procedure": row.procedure.name if row.procedure else None,
        "reason": row.reason,
        "thrown_by": row.thrown_by.username,
        "thrown_at": shapes.at(row.thrown_at),
    }
