"""Spaces over REST: read here; set and ended as control changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api.door import Door
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.queries import spaces


class Spaces(Door):
    """GET: the led spaces, every one for managers and auditors; with what was given and is outside today's limits."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = [_told(one) for one in spaces.shown(self.actor, now())]
        return Response({"results": rows, "next": None, "previous": None})


def _told(one: spaces.Shown) -> dict[str, object]:
    return {
        **spaces.as_object(one.space),
        "led_by": one.leads,
        "since_at": moment(one.space.since_at),
        "grants": [
            {"id": str(row.pk), "given_by": row.granted_by.username, "outside": outside} for row, outside in one.given
        ],
    }
