"""Deputies over REST: one's own and those for whom one stands in; named and ended signed in alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, once, uuid
from procedures.domain.clock import now
from procedures.models import Deputy, Person
from procedures.queries import deputies as queries
from procedures.services import deputies


class Deputies(Door):
    """GET: what concerns the caller, what is not over first. POST names one: for everything, or for `verbs` alone."""

    by_token: ClassVar[Mapping[str, str]] = {}  # who is away when is for nobody who holds a token

    def get(self, request: Request) -> Response:
        rows = [told(row) for row in queries.of(self.actor, now())]
        return Response({"results": rows, "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.DEPUTY, request.data)
        return once(request, self.actor, lambda: (201, told(_named(self.actor, data, bearer=self.bearer))))


class Agree(Door):
    """By whoever was named, once; before that it has no effect."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        row = deputies.agree(actor=self.actor, deputy=uuid(pk), at=now(), bearer=self.bearer)
        return Response(told(row))


class End(Door):
    """Now, by whoever is away or whoever was named, who declines by it."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        row = deputies.end_deputy(actor=self.actor, deputy=uuid(pk), at=now(), bearer=self.bearer)
        return Response(told(row))


def _named(actor: Person, data: Mapping[str, Any], *, bearer: bool) -> Deputy:
    at = now()
    return deputies.name_deputy(
        actor=actor,
        deputy=uuid(data["deputy"]),
        verbs=data.get("verbs") or queries.held(actor, at),
        from_at=inputs.when(data, "from_at") if "from_at" in data else at,
        until_at=inputs.when(data, "until_at"),
        at=at,
        bearer=bearer,
    )


def told(row: Deputy) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "person": row.person.username,
        "deputy": row.deputy.username,
        "verbs": row.verbs,
        "from_at": shapes.at(row.from_at),
        "until_at": shapes.at(row.until_at),
        "agreed_at": shapes.at(row.agreed_at),
        "ended_at": shapes.at(row.ended_at),
        "over": queries.is_over(row, now()),
    }
