"""Asking for access over REST, and answering: the grant itself is signed as any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, once, page, uuid
from procedures.domain.access_requests import AccessRequestState
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.models import AccessRequest, Person
from procedures.queries import access_requests as requests
from procedures.queries.agents import asker
from procedures.services import access_answers, access_requests

SIZE = 50


class AccessRequests(Door):
    """GET lists what the caller may see, `?state=`, `?before=`; POST asks, or with `extends` asks for more time."""

    by_token: ClassVar[Mapping[str, str]] = {"get": "", "post": ""}

    def get(self, request: Request) -> Response:
        rows = requests.seen_by(self.actor, now())
        if state := request.query_params.get("state"):
            if state not in set(AccessRequestState):
                raise InvalidInput([("/state", f"is one of {', '.join(AccessRequestState)}")])
            rows = rows.filter(state=state)
        if before := request.query_params.get("before"):
            rows = rows.filter(pk__lt=uuid(before))
        found = list(rows[: SIZE + 1])
        return Response(page(found, SIZE, lambda row: told(row, self.actor), lambda row: f"?before={row.pk}"))

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.WISH, request.data)
        return once(request, self.actor, lambda: (201, told(_asked(self.actor, data), self.actor)))


def _asked(actor: Person, data: dict[str, Any]) -> AccessRequest:
    if "extends" in data:
        if more := sorted(set(data) - {"extends", "days", "reason"}):
            raise InvalidInput([(f"/{name}", "stays as it is in what is extended") for name in more])
        grant = uuid(data["extends"])
        return access_requests.ask_to_extend(
            actor=actor, grant=grant, days=data["days"], reason=data["reason"], at=now()
        )
    if "procedure" not in data:
        raise InvalidInput([("/procedure", "is required")])
    wish = access_requests.Wish(**{"verbs": ["run"], "environments": [], **data})
    return access_requests.ask_for_access(actor=actor, wish=wish, at=now())


class OneAccessRequest(Door):
    """With who could decide it and, for them, the grant as it was asked: to be signed, or narrowed and signed."""

    by_token: ClassVar[Mapping[str, str]] = {"get": ""}

    def get(self, request: Request, pk: str) -> Response:
        at = now()
        row = requests.one(self.actor, uuid(pk), at)
        found = told(row, self.actor)
        found["deciders"] = [person.username for person in requests.deciders(row, at)]
        if row.state == AccessRequestState.OPEN and requests.may_decide(self.actor, row, at):
            found["offer"] = requests.asked_of(row).grant(requests.begins(row, at))
        return Response(found)


class Grant(Door):
    """The whole grant, no wider than what was asked for: in force, or waiting for its confirmer."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.ALLOW, request.data)
        row, change = access_answers.grant_request(
            actor=self.actor,
            request=uuid(pk),
            object=data["object"],
            signature=data.get("signature"),
            at=now(),
            bearer=self.bearer,
        )
        answer = told(row, self.actor) | {"change": shapes.change(change)}
        return Response(answer, status=201 if row.state == AccessRequestState.GRANTED else 202)


class Refuse(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.REASON, request.data or {})
        reason = data.get("reason", "")
        row = access_answers.refuse_request(
            actor=self.actor, request=uuid(pk), reason=reason, at=now(), bearer=self.bearer
        )
        return Response(told(row, self.actor))


class Withdraw(Door):
    by_token: ClassVar[Mapping[str, str]] = {"post": ""}

    def post(self, request: Request, pk: str) -> Response:
        row = access_answers.withdraw_request(actor=self.actor, request=uuid(pk), at=now())
        return Response(told(row, self.actor))


def told(row: AccessRequest, reader: Person) -> dict[str, Any]:
    asked = requests.asked_of(row)
    return {
        "id": str(row.pk),
        "state": row.state,
        "asker": row.asker.username,
        "asked_by": asker(row.asker),
        "for": f"person:{row.person.username}" if row.person else asked.principal,
        "procedure": asked.procedure or None,
        "verbs": row.verbs,
        "environments": row.environments,
        "days": row.days,
        "reason": row.reason,
        "extends": str(row.extends_id) if row.extends_id else None,
        "kept": row.kept,
        "asked_at": shapes.at(row.asked_at),
        "lapses_at": shapes.at(row.lapses_at),
        "grant": str(row.change_id) if row.state == AccessRequestState.GRANTED else None,
        "waiting_change": str(row.change_id) if row.state == AccessRequestState.PROPOSED else None,
        "decided_by": row.decided_by.username if row.decided_by else None,
        "narrowed": row.narrowed,
        "answer": row.answer,
        "mine": row.asker_id == reader.pk,
        "url": f"/access/requests/{row.pk}/",
    }
