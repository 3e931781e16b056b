"""Accounts that may be one person, over REST."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.queries import same_person


class Alike(Door):
    """GET: sets of accounts that share a mail, a name or a key; for access managers and auditors."""

    def get(self, request: Request) -> Response:
        rows = [
            {"by": row.by, "value": row.value, "people": [person.username for person in row.people]}
            for row in same_person.alike(self.actor, now())
        ]
        return Response({"results": rows, "next": None, "previous": None})
