"""One's own notices over REST: what was told, and that it was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, page, uuid
from procedures.domain.clock import now
from procedures.queries.pages_notices import MOST, Told, notices_of
from procedures.services import notices


class Notices(Door):
    """GET: newest first, fifty at a time; `?unread=1`, `?before=`."""

    by_token: ClassVar[Mapping[str, str]] = {}  # they tell of more than any token is for

    def get(self, request: Request) -> Response:
        before = request.query_params.get("before")
        unread = request.query_params.get("unread") == "1"
        found = notices_of(self.actor, unread=unread, before=uuid(before) if before else None, most=MOST + 1)
        more = "&unread=1" if unread else ""
        return Response(page(found, MOST, told, lambda one: f"?before={one.notice.pk}{more}"))


class Read(Door):
    """These were read."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.SEEN, request.data)
        wanted = [uuid(one) for one in data["notices"]]
        return Response({"read": notices.read(actor=self.actor, notices=wanted, at=now())})


def told(one: Told) -> dict[str, Any]:
    row = one.notice
    return {
        "id": str(row.pk),
        "kind": row.kind,
        "label": one.label,
        "says": one.says,
        "url": row.path,
        "at": shapes.at(row.at),
        "mail": row.state,
        "read_at": shapes.at(row.read_at),
    }
