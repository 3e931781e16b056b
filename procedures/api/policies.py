"""Policies over REST: what is in force, and what one would have said of the past; they change as control changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.models import Run
from procedures.queries import pages_policies
from procedures.queries.policies import standing
from procedures.services import policy_trials


class Policies(Door):
    """GET: every policy by name, those in force first; `digest` is over all that are in force."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = [_shape(row) for row in pages_policies.policies(self.actor, now())]
        return Response({"results": rows, "next": None, "previous": None, "digest": standing().digest})


class Past(Door):
    """POST {policy, days}: what a policy would have said of the runs and versions of the last days; nothing is kept."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.PAST, request.data)
        past = policy_trials.past_of(actor=self.actor, object=data["policy"], days=data["days"], at=now())
        found = [_said(one) for one in past.found]
        return Response({"days": past.days, "looked_at": past.looked_at, "left_out": past.left_out, "found": found})


def _shape(row: pages_policies.Row) -> dict[str, Any]:
    live = row.live
    return {
        "name": row.name,
        "title": row.title,
        "description": row.description,
        "shipped": row.made_from is not None,
        "mode": row.mode,
        "stages": row.object.get("stages", []),
        "environments": row.object.get("environments", []),
        "settings": row.object.get("settings", {}),
        "warn_until": row.object.get("warn_until"),
        "revision": live.revision if live else None,
        "digest": live.digest if live else None,
        "since": shapes.at(live.since_at) if live else None,
        "outdated": row.outdated,
        "waiting_change": str(row.waits.pk) if row.waits else None,
    }


def _said(one: policy_trials.Said) -> dict[str, Any]:
    row = one.row
    number = {"no": row.no, "environment": row.environment_id} if isinstance(row, Run) else {"no": row.number}
    return {
        "kind": one.kind,
        "id": str(row.pk),
        **number,
        "procedure": row.procedure.name,
        "at": shapes.at(one.at),
        "refused": one.refused,
        "more": one.more,
    }
