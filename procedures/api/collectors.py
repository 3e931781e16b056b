"""Collectors over REST: how far each has the log. They are set and ended as control changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures import access
from procedures.api import shapes
from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.queries import collectors


class Collectors(Door):
    """Where the log is streamed to, for auditors and access managers."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        if not access.decide(self.actor, "audit", at=now()).allowed:
            access.require(self.actor, "manage_access", at=now())
        return Response({"results": _collectors(now()), "next": None, "previous": None})


def _collectors(at: datetime) -> list[dict[str, Any]]:
    """How far each collector has the log: leaves `first` until before `sent`; `gap` where events wait for too long."""
    return [
        {
            "name": one.row.name,
            "url": one.row.url,
            "first": one.row.first,
            "sent": one.row.sent,
            "sent_at": shapes.at(one.row.sent_at),
            "behind": one.behind,
            "waiting_since": shapes.at(one.waiting_since),
            "gap": one.gap,
            "problem": one.row.problem or None,
            "problem_at": shapes.at(one.row.problem_at),
            "failures": one.row.failures,
        }
        for one in collectors.streamed(at)
    ]
