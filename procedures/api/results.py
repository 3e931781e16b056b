"""Secret results over REST: what there is and where it went; what the portal keeps is handed out as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import attached, uuid
from procedures.api.runs import RunDoor
from procedures.domain.clock import now
from procedures.services import results


class Results(RunDoor):
    """Every secret result of a run, its place and its state; no value and no ciphertext."""

    by_token: ClassVar[Mapping[str, str]] = {"get": "read_output"}

    def get(self, request: Request, pk: str) -> Response:
        rows = self.run(pk).results.select_related("task").order_by("id")
        return Response({"results": [shapes.secret_result(row) for row in rows], "next": None})


class Fetch(RunDoor):
    """The age file of one result, which its recipients alone open; what is picked up once is gone after it."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "read_output"}

    def post(self, request: Request, pk: str, result: str) -> HttpResponse:
        row, content = results.fetch_result(actor=self.actor, run=self.run(pk).pk, result=uuid(result), at=now())
        return attached(HttpResponse(content, content_type="application/octet-stream"), f"{row.name}.age")


class Erase(RunDoor):
    """Nobody reads it any more."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str, result: str) -> Response:
        data = inputs.checked(inputs.REASON, request.data or {})
        about = {"run": self.run(pk).pk, "result": uuid(result), "reason": data.get("reason", "")}
        return Response(shapes.secret_result(results.erase_result(actor=self.actor, at=now(), **about)))
