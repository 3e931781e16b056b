"""The discussion of a version over REST: what was said at which line, and remarks of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, uuid
from procedures.api.versions import VersionDoor
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.models import Person, ReviewComment
from procedures.queries import discussions as threads_of
from procedures.services import discussions


class Comments(VersionDoor):
    """GET lists threads, oldest first, with those of earlier versions; POST begins one, or answers in `thread`."""

    by_token: ClassVar[Mapping[str, str]] = {"get": "view", "post": "author"}

    def get(self, request: Request, pk: str) -> Response:
        rows, me = threads_of.threads(self.version(pk)), self.actor
        return Response({"results": [_thread(row, me) for row in rows], "next": None, "previous": None})

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.COMMENT, request.data)
        row = self.version(pk)
        if data.get("thread"):
            if data.get("path") or data.get("line"):
                raise InvalidInput([("/thread", "an answer stands where its thread stands")])
            made = discussions.reply(actor=self.actor, thread=uuid(data["thread"]), body=data["body"], at=now())
        else:
            place = {"path": data.get("path", ""), "line": data.get("line")}
            made = discussions.comment(actor=self.actor, version=row.pk, body=data["body"], at=now(), **place)
        return Response(_remark(made, self.actor), status=201)


class Settle(Door):
    """A thread is resolved, or opened again."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "author"}

    def post(self, request: Request, pk: str, act: str) -> Response:
        settle = discussions.resolve if act == "resolve" else discussions.reopen
        row = settle(actor=self.actor, thread=uuid(pk), at=now())
        return Response({"thread": str(row.pk), "open": row.resolved_at is None})


def _thread(row: threads_of.Thread, reader: Person) -> dict[str, Any]:
    first = row.first
    return {
        "thread": str(first.pk),
        "path": first.path,
        "line": row.line,
        "said_of": {"version": first.version.number, "line": first.line, "text": first.line_text},
        "carried": row.carried,
        "open": row.open,
        "resolved_by": first.resolved_by.username if first.resolved_by else None,
        "resolved_at": shapes.at(first.resolved_at),
        "comments": [_remark(one, reader) for one in (first, *row.replies)],
    }


def _remark(row: ReviewComment, reader: Person) -> dict[str, Any]:
    """`mentions` were told; `not_told`, for its author alone, are names in it that reached nobody."""
    return {
        "id": str(row.pk),
        "thread": str(row.thread_id or row.pk),
        "author": row.author.username,
        "body": row.body,
        "digest": row.digest,
        "mentions": row.mentions,
        "not_told": row.untold if row.author_id == reader.pk else [],
        "at": shapes.at(row.at),
    }
