"""Agents over REST: the list and the stop switch; their tokens are made where all tokens are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, uuid
from procedures.domain.clock import now
from procedures.queries import agents as queries
from procedures.services import agents

ALL = "all"


def shape(seen: queries.Seen) -> dict[str, Any]:
    person, owner = seen.person, seen.person.owner
    return {
        "agent": str(person.subject),
        "username": person.username,
        "name": person.name,
        "owner": owner.username if owner else None,
        "active": person.is_active,
        "runs_an_hour": seen.agent.runs_an_hour,
        "asked_within_an_hour": seen.asked,
        "stopped_at": shapes.at(seen.agent.stopped_at),
        "tokens": len(seen.tokens),
        "grants": len(seen.grants),
    }


class Agents(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = [shape(seen) for seen in queries.agents_seen(self.actor, now())]
        stopped = queries.all_stopped()
        return Response({"results": rows, "next": None, "previous": None, "all_stopped": stopped})


class Stop(Door):
    """`all` instead of a subject: every agent."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.WHY, request.data)
        agents.stop(actor=self.actor, agent=_which(pk), reason=data["reason"], at=now())
        return Response(status=204)


class Start(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.WHY, request.data)
        agents.start(actor=self.actor, agent=_which(pk), reason=data["reason"], at=now(), bearer=self.bearer)
        return Response(status=204)


def _which(text: str) -> UUID | None:
    return None if text == ALL else uuid(text)
