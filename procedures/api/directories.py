"""Directories over REST: which providers push people, and their tokens; a secret is told once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs
from procedures.api.door import Door
from procedures.api.tokens import shape as token_shape
from procedures.domain.clock import now
from procedures.queries import directories as queries
from procedures.services import tokens


class Directories(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows: list[dict[str, Any]] = [
            {
                "provider": seen.provider.name,
                "title": seen.provider.title,
                "address": f"{self.url}/scim/v2",
                "people": seen.people,
                "groups": seen.groups,
                "tokens": [token_shape(one) for one in seen.tokens],
            }
            for seen in queries.directories(self.actor, now())
        ]
        return Response({"results": rows, "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        """A token for one of them; it is ended where every token is."""
        data = inputs.checked(inputs.DIRECTORY, request.data)
        row, secret = tokens.make_directory_token(
            actor=self.actor,
            provider=data["provider"],
            name=data["name"],
            days=data.get("days", 90),
            at=now(),
            bearer=self.bearer,
        )
        return Response({**token_shape(row), "token": secret}, status=201)
