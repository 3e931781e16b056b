"""Open sessions over REST: one's own, and for access managers those of another; each can be ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures import access
from procedures.api import shapes
from procedures.api.door import Door, uuid
from procedures.domain.clock import now
from procedures.models import OpenSession
from procedures.services import open_sessions, sessions


def shape(row: OpenSession, *, current: bool) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "device": row.device,
        "address": row.address,
        "current": current,
        "began_at": shapes.at(row.began_at),
        "seen_at": shapes.at(row.seen_at),
        "until_at": shapes.at(row.until_at),
        "proved": row.proved,
        "proved_at": shapes.at(row.proved_at),
    }


class Sessions(Door):
    """GET: own sessions, or with `?of=SUBJECT` those of another. DELETE ends them all but the one that asks."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = open_sessions.sessions_of(actor=self.actor, person=self._of(request), at=now())
        results = [shape(row, current=row.pk == self._mine()) for row in rows]
        return Response({"results": results, "next": None, "previous": None})

    def delete(self, request: Request) -> Response:
        ended = open_sessions.end_sessions(actor=self.actor, person=self._of(request), at=now(), but=self._mine())
        return Response({"ended": ended})

    def _of(self, request: Request) -> Any:
        return uuid(request.GET["of"]) if request.GET.get("of") else self.actor.subject

    def _mine(self) -> Any:
        call = access.calling(self.actor)
        return call.session if call else None


class LetIn(Door):
    """An access manager lets in somebody whom a storm of wrong passwords keeps out."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        sessions.let_in(actor=self.actor, person=uuid(pk), at=now())
        return Response(status=204)


class OneSession(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def delete(self, request: Request, pk: str) -> Response:
        open_sessions.end_session(actor=self.actor, session=uuid(pk), at=now())
        return Response(status=204)
