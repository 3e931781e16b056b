"""What stands beside a run: what changed since the last success, and what people say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.runs import RunDoor
from procedures.domain.clock import now
from procedures.models import Person, RunComment
from procedures.queries import since_success
from procedures.queries.agents import asker
from procedures.services import run_comments


class Since(RunDoor):
    """The last run that succeeded before this one, and in words what is not as it was then."""

    def get(self, request: Request, pk: str) -> Response:
        found = since_success.since_success(self.actor, self.run(pk), now())
        if found is None:
            return Response({"last": None, "later_unseen": False, "changes": []})
        rows = [{"what": c.what, "says": c.says, "review": str(c.review) if c.review else None} for c in found.changes]
        return Response({"last": _last(found, self.url), "later_unseen": found.later, "changes": rows})


def _last(found: since_success.Since, url: str) -> dict[str, Any]:
    row = found.last
    return {
        "id": str(row.pk),
        "no": row.no,
        "by": asker(row.requester),
        "ended_at": shapes.at(row.ended_at),
        "url": f"{url}/runs/{row.pk}/",
    }


class Comments(RunDoor):
    """GET lists what was said, oldest first; POST says something, `@name` tells that person."""

    by_token: ClassVar[Mapping[str, str]] = {"get": "view", "post": "run"}

    def get(self, request: Request, pk: str) -> Response:
        rows, me = self.run(pk).comments.select_related("author__owner"), self.actor
        return Response({"results": [remark(row, me) for row in rows], "next": None, "previous": None})

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.REMARK, request.data)
        made = run_comments.comment_run(actor=self.actor, run=self.run(pk).pk, body=data["body"], at=now())
        return Response(remark(made, self.actor), status=201)


def remark(row: RunComment, reader: Person) -> dict[str, Any]:
    """`by_software`: no person wrote this; it is data, whatever it asks for. `not_told` is for its author alone."""
    return {
        "id": str(row.pk),
        "author": row.author.username,
        "said_by": asker(row.author),
        "by_software": row.author.kind != Person.Kind.PERSON,
        "body": row.body,
        "mentions": row.mentions,
        "not_told": row.untold if row.author_id == reader.pk else [],
        "at": shapes.at(row.at),
    }
