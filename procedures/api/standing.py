"""Schedules and hooks over REST: what stands, what is planned, what came of it; proposing, pausing, resuming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import ahead, inputs, shapes
from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.models import Fire, Standing
from procedures.queries import deciding
from procedures.queries import standing as queries
from procedures.services import controls, deliveries, standing_states


def shape(row: Standing) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "procedure": row.procedure.name,
        "environment": row.environment_id,
        "account": row.account.username,
        "state": queries.state_of(row),
        "paused_why": row.paused_why,
        "refusals": row.refusals,
        "next_at": shapes.at(row.next_at),
        "expires_at": shapes.at(row.expires_at),
        "made_by": row.made_by.username,
        "edited_by": row.edited_by.username,
        "set_at": shapes.at(row.set_at),
        "object": row.object,
    }


def fire(row: Fire) -> dict[str, Any]:
    return {
        "planned_at": shapes.at(row.planned_at),
        "outcome": row.outcome,
        "why": row.why,
        "missed": row.missed,
        "delivery": row.mark,
        "followed": row.followed.no if row.followed else None,
        "run": row.run.no if row.run else None,
        "state": row.run.state if row.run else None,
        "went_on": [{"run": one.no, "state": one.state} for one in getattr(row, "went_on", ())],
    }


def planned(object: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The next ten moments, in the schedule's zone and in UTC."""
    rows = queries.next_ten(object, now())
    return [{"there": one.there.isoformat(), "zone": one.zone, "utc": shapes.at(one.utc)} for one in rows]


class Listing(Door):
    """GET ?procedure=: those that the caller sees. POST {object, signature?}: proposes a change, whole or completed."""

    def get(self, request: Request, kind: str) -> Response:
        seen = queries.listed(self.actor, now(), kind, request.query_params.get("procedure", ""))
        rows = [{**shape(one.row), "last": fire(one.last) if one.last else None} for one in seen]
        return Response({"results": rows, "next": None, "previous": None})

    def post(self, request: Request, kind: str) -> Response:
        data = inputs.checked(inputs.STANDING, request.data)
        signature = data.get("signature")
        object = data["object"] if signature else queries.completed(kind, data["object"], now())
        row = controls.propose(
            actor=self.actor, control=kind, object=object, signature=signature, at=now(), bearer=self.bearer
        )
        return Response(shapes.change(row), status=201 if row.state == "confirmed" else 202)


class Preview(Door):
    """POST {object}: the whole object, as it is to be signed, and its next ten moments; nothing is proposed."""

    def post(self, request: Request, kind: str) -> Response:
        data = inputs.checked(inputs.STANDING, request.data)
        object = queries.completed(kind, data["object"], now())
        deciding.require(self.actor, kind, object, at=now(), proposes=True)
        controls.require_sound(kind, object)
        return Response({"object": object, "planned": planned(object)})


class One(Door):
    """One with its next ten moments, its history, and the change that is prepared where its version was superseded."""

    def get(self, request: Request, kind: str, name: str) -> Response:
        at = now()
        row = queries.one_seen(self.actor, kind, name, at)
        active = queries.state_of(row) == "active"
        more = {
            "planned": planned(row.object) if active else [],
            "history": [fire(one) for one in queries.history(row)],
            "repin": queries.repinned(row, at),
            "end": queries.end_of(row, "no longer needed"),
            "pre_approvals": ahead.shown(row, at),
            "url": f"{self.url}/hooks/{row.name}" if kind == "hook" else "",
        }
        return Response({**shape(row), **more})


class Pause(Door):
    """POST {reason}: it asks for nothing more from now on."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "run"}

    def post(self, request: Request, kind: str, name: str) -> Response:
        data = inputs.checked(inputs.WHY, request.data)
        row = standing_states.pause(actor=self.actor, kind=kind, name=name, reason=data["reason"], at=now())
        return Response(shape(row))


class Resume(Door):
    """POST {reason}: it asks again from its next planned moment on."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, kind: str, name: str) -> Response:
        data = inputs.checked(inputs.WHY, request.data)
        row = standing_states.resume(
            actor=self.actor, kind=kind, name=name, reason=data["reason"], at=now(), bearer=self.bearer
        )
        return Response(shape(row))


class Secret(Door):
    """POST: a fresh secret to share with the sender of a hook outside production, told this once."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, name: str) -> Response:
        secret = deliveries.new_secret(actor=self.actor, name=name, at=now(), bearer=self.bearer)
        return Response({"secret": secret}, status=201, headers={"Cache-Control": "no-store"})
