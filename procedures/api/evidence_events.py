"""Events over REST: found by kind, procedure, run, who acted, and the control that they support."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures import access
from procedures.api import shapes
from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.queries import pages_evidence
from procedures.services import readings

BY = ("kind", "procedure", "number", "person", "control")


class Events(Door):
    """`?kind=` (or its beginning), `?procedure=`, `?number=` of a run, `?person=`, `?control=`; `?before=` goes on."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        access.require(self.actor, "audit", at=now())
        wanted = {name: request.GET.get(name, "") for name in BY}
        rows, more = pages_evidence.events(before=request.GET.get("before", ""), **wanted)
        asked = ", ".join(f"{name} {value}" for name, value in wanted.items() if value)
        readings.note_read(actor=self.actor, what=f"events by {asked or 'no filter'}"[:400], at=now())
        return Response({"results": [_told(row) for row in rows], "next": more or None, "previous": None})


def _told(row: pages_evidence.Shown) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "at": shapes.at(row.at),
        "index": row.index,
        "who": row.who,
        "about": row.about,
        "run": str(row.run) if row.run else None,
        "signed_by": row.signed_by,
    }
