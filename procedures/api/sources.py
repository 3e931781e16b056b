"""Git sources over the API: what they are, what was wrong, and a nudge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures import access
from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.models import Source
from procedures.queries.sources import every_source, one_source, secret_of, versions_of
from procedures.services import sources


def shape(row: Source) -> dict[str, Any]:
    return {
        "name": row.name,
        "url": row.url,
        "branch": row.branch,
        "path": row.path,
        "owner": row.owner.username,
        "group": row.group,
        "commit": row.commit,
        "looked_at": row.looked_at,
        "problem": row.problem,
    }


class Sources(Door):
    by_token: ClassVar[Mapping[str, str]] = {"get": "author"}

    def get(self, request: Request) -> Response:
        access.require(self.actor, "author", at=now())
        return Response({"results": [shape(row) for row in every_source()], "next": None, "previous": None})


class OneSource(Door):
    by_token: ClassVar[Mapping[str, str]] = {"get": "author"}

    def get(self, request: Request, name: str) -> Response:
        access.require(self.actor, "author", at=now())
        row = one_source(name)
        findings = [{"path": f.path, "message": f.message, "commit": f.commit} for f in row.findings.order_by("path")]
        made = [
            {"id": str(v.id), "procedure": v.procedure.name, "number": v.number, "state": v.state, "origin": v.origin}
            for v in versions_of(row)
        ]
        return Response({**shape(row), "findings": findings, "versions": made})


class Look(Door):
    """Asks for a look; the scheduler does it within a second."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "author"}

    def post(self, request: Request, name: str) -> Response:
        return Response(shape(sources.ask_for_a_look(actor=self.actor, source=name, at=now())), status=202)


class Hook(Door):
    """What a forge needs to send signed webhooks; for access managers alone, and never by a bearer token."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, name: str) -> Response:
        row = sources.hook_of(actor=self.actor, source=name, at=now(), bearer=self.bearer)
        return Response({"url": f"{self.url}/hooks/git/{row.name}", "secret": secret_of(row), "branch": row.branch})
