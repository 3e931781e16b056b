"""Changes of what decides authority, people and grants over REST."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth.models import Group
from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from procedures import access
from procedures.api import inputs, shapes
from procedures.api.door import Door, uuid
from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.models import Environment, Grant, Person, PortalSetting
from procedures.queries import deciding, pages_environments, pages_people
from procedures.queries.would_allow import would_allow
from procedures.services import controls, people


class Statement(Door):
    """POST {control, object}: a fresh canonical statement, to be signed by its proposer."""

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.CONTROL, request.data)
        value = controls.statement_for(actor=self.actor, control=data["control"], object=data["object"])
        return Response({"statement": base64.b64encode(canon(value)).decode(), "value": value})


class Changes(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = pages_people.changes_for(self.actor, now())
        return Response({"results": [shapes.change(row) for row in rows], "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.CONTROL, request.data)
        row = controls.propose(
            actor=self.actor,
            control=data["control"],
            object=data["object"],
            signature=data.get("signature"),
            at=now(),
            bearer=self.bearer,
        )
        return Response(shapes.change(row), status=201 if row.state == "confirmed" else 202)


class OneChange(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, pk: str) -> Response:
        row = pages_people.one_change(self.actor, uuid(pk), now())
        return Response({**shapes.change(row), "statement": base64.b64encode(bytes(row.statement)).decode()})


class Confirm(Door):
    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.CONFIRM, request.data or {})
        row = controls.confirm(
            actor=self.actor, change=uuid(pk), signature=data.get("signature"), at=now(), bearer=self.bearer
        )
        return Response(shapes.change(row))


class Refuse(Door):
    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.REASON, request.data or {})
        reason = data.get("reason", "")
        row = controls.refuse(actor=self.actor, change=uuid(pk), reason=reason, at=now(), bearer=self.bearer)
        return Response(shapes.change(row))


class PreviewGrant(Door):
    """POST a grant: what it would allow today, and nothing is proposed."""

    def post(self, request: Request) -> Response:
        at = now()
        if not deciding.reach(self.actor, at=at):
            access.require(self.actor, "manage_access", at=at)
        data = inputs.checked(inputs.GRANT, request.data)
        data.pop("signature", None)
        object = {"not_before": moment(at), **data, "principal": principal(data["principal"])}
        deciding.require(self.actor, "grant", object, at=at)
        controls.require_sound("grant", object)
        return Response(shapes.would_allow(would_allow(object, at)))


class Grants(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = Grant.objects.select_related("person", "group", "procedure", "granted_by").order_by("-id")
        if not access.decide(self.actor, "manage_access", at=now()).allowed:
            ours = pages_people.managed(self.actor, rows[:500], now())
            rows = rows.filter(Q(person=self.actor) | Q(pk__in=ours))
        return Response({"results": [shapes.grant(row) for row in rows[:500]], "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.GRANT, request.data)
        signature = data.pop("signature", None)
        object = {"not_before": moment(now()), **data, "principal": principal(data["principal"])}
        if signature is not None and "statement" in signature:
            object = signed_object(signature, object)
        row = controls.propose(
            actor=self.actor, control="grant", object=object, signature=signature, at=now(), bearer=self.bearer
        )
        return Response(shapes.change(row), status=201 if row.state == "confirmed" else 202)


def principal(text: str) -> str:
    """`person:NAME` or `group:NAME` as it is signed: persons by subject. Raises InvalidInput."""
    kind, _, name = text.partition(":")
    if kind == "person":
        row = Person.objects.filter(username=name).first()
        if row is not None:
            return f"person:{row.subject}"
        return text if Person.objects.filter(subject__iexact=name).exists() else _unknown(text)
    if kind == "group" and Group.objects.filter(name=name).exists():
        return text
    return _unknown(text)


def _unknown(text: str) -> str:
    raise InvalidInput([("/principal", f"there is no {text!r}; write person:NAME or group:NAME")])


def signed_object(signature: dict[str, Any], object: dict[str, Any]) -> dict[str, Any]:
    """The moment of a signed grant is the one in its statement; every other field must be what the request says."""
    try:
        signed = json.loads(base64.b64decode(signature["statement"]))["object"]
        return {**object, "not_before": signed["not_before"]}
    except (ValueError, KeyError, TypeError) as problem:
        raise InvalidInput([("/signature/statement", "is not a statement over a grant")]) from problem


class People(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = Person.objects.exclude(kind="system").order_by("username")[:500]
        return Response({"results": [shapes.person(row) for row in rows], "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.PERSON, request.data)
        row, path = people.invite_person(
            actor=self.actor,
            username=data["username"],
            name=data["name"],
            email=data.get("email", ""),
            kind=data.get("kind", "person"),
            at=now(),
            bearer=self.bearer,
        )
        return Response({**shapes.person(row), "invitation": f"{self.url}{path}"}, status=201)


class Me(Door):
    by_token: ClassVar[Mapping[str, str]] = {"get": ""}

    def get(self, request: Request) -> Response:
        return Response(shapes.person(self.actor))


class Environments(Door):
    by_token: ClassVar[Mapping[str, str]] = {"get": ""}

    def get(self, request: Request) -> Response:
        setting = PortalSetting.objects.filter(pk="ssh-authorities").first()
        authorities = setting.value if setting else {}
        rows = [
            {
                "name": e.name,
                "ssh_authority": authorities.get(e.name),
                "title": e.title,
                "production": e.production,
                "approvals": e.approvals,
                "min_strength": e.min_strength,
                "ahead_up_to": e.ahead_up_to,
                "reason_required": e.reason_required,
                "networks": e.networks,
                "tier": e.tier,
                "frozen_until": shapes.at(e.frozen_until_at),
                "queue": e.queue,
                "pool_key": pages_environments.pool_of(e.name),
            }
            for e in Environment.objects.all()
        ]
        return Response({"results": rows, "next": None, "previous": None})
