"""Service accounts and leavers over REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import shapes
from procedures.api.door import Door, uuid
from procedures.domain.clock import now
from procedures.models import Person
from procedures.services import accounts, leavers


def shape(row: Person) -> dict[str, Any]:
    owner = row.owner
    found = {**shapes.person(row), "owner": owner.username if owner else None, "active": row.is_active}
    return {**found, "needs_owner": owner is None or not owner.is_active}


class ServiceAccounts(Door):
    """The list; they are made and given to others where all control changes are proposed: `service_account`."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = [shape(row) for row in accounts.accounts_for(self.actor, now())]
        return Response({"results": rows, "next": None, "previous": None})


class Close(Door):
    """Somebody leaves: everything of theirs ends at once."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        row = leavers.close_person(actor=self.actor, person=uuid(pk), at=now(), bearer=self.bearer)
        return Response({**shapes.person(row), "active": row.is_active})
