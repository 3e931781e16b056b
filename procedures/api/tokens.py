"""Tokens over REST: one's own and those of owned service accounts; a secret is told once, to whoever is signed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, uuid
from procedures.domain.clock import now
from procedures.models import ApiToken
from procedures.services import tokens

PARTS = ("procedures", "environments", "verbs", "audience")


def shape(row: ApiToken) -> dict[str, Any]:
    at = now()
    over = "revoked" if row.revoked_at else "expired" if row.expires_at <= at else ""
    return {
        "id": str(row.id),
        "name": row.name,
        "prefix": row.prefix,
        "of": row.person.username,
        "made_by": row.made_by.username,
        "procedures": row.procedures,
        "environments": row.environments,
        "verbs": row.verbs,
        "audience": row.audience,
        "state": over or "live",
        "created_at": shapes.at(row.created_at),
        "expires_at": shapes.at(row.expires_at),
        "last_used_at": shapes.at(row.last_used_at),
        "revoked_at": shapes.at(row.revoked_at),
    }


class Tokens(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = [shape(row) for row in tokens.tokens_of(self.actor)]
        return Response({"results": rows, "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.TOKEN, request.data)
        reach = tokens.Reach(**{part: data[part] for part in PARTS if part in data})
        row, secret = tokens.make_token(
            actor=self.actor,
            name=data["name"],
            days=data.get("days", 30),
            person=uuid(data["of"]) if "of" in data else None,
            reach=reach,
            at=now(),
            bearer=self.bearer,
        )
        return Response({**shape(row), "token": secret}, status=201)


class OneToken(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def delete(self, request: Request, pk: str) -> Response:
        tokens.revoke_token(actor=self.actor, token=uuid(pk), at=now())
        return Response(status=204)


class Rotate(Door):
    """A fresh secret; the old one stays good for the hours that are asked for, 24 at most."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.ROTATE, request.data or {})
        row, secret = tokens.rotate_token(
            actor=self.actor, token=uuid(pk), overlap_h=data.get("overlap_hours", 0), at=now(), bearer=self.bearer
        )
        return Response({**shape(row), "token": secret}, status=201)
