"""Saved requests of auditors over REST: save, ask again, and what was given when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs
from procedures.api.door import Door, uuid
from procedures.domain.clock import now
from procedures.queries import saved_requests
from procedures.services import saved_requests as services


class SavedRequests(Door):
    """What auditors ask for again, each with every answer; and saves one more."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = [one.told() for one in saved_requests.all_saved(self.actor, at=now())]
        return Response({"results": rows, "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        said = dict(inputs.checked(inputs.RECURRING, request.data or {}))
        name, period = said.pop("name"), said.pop("period", "")
        made = services.save(actor=self.actor, name=name, wanted=said, period=period, at=now())
        return Response(saved_requests.one_saved(self.actor, made, at=now()).told(), status=201)


class OneSavedRequest(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, pk: str) -> Response:
        return Response(saved_requests.one_saved(self.actor, str(uuid(pk)), at=now()).told())


class Ask(Door):
    """Counts the list for a period, the last whole one if none is named; the panel says what to judge it by."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        said = inputs.checked(inputs.AGAIN, request.data or {})
        saved, found = services.ask(actor=self.actor, request=str(uuid(pk)), at=now(), **said)
        return Response({"request": saved.told(), "panel": found.panel()}, status=201)


class Drop(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        services.drop(actor=self.actor, request=str(uuid(pk)), at=now())
        return Response(saved_requests.one_saved(self.actor, str(uuid(pk)), at=now()).told())
