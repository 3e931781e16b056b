"""Runners over REST: who serves what, when each was heard of, and what it says that it can."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.queries import runners


def shape(one: runners.Listed) -> dict[str, Any]:
    """`reported` is the runner's own word; `environments`, `zones` and `attested` were signed."""
    row = one.row
    return {
        "runner": str(row.pk),
        "name": row.name,
        "fingerprint": one.fingerprint,
        "state": one.state,
        "disposable": row.disposable,
        "environments": row.environments,
        "zones": row.zones,
        "attested": row.attested,
        "enrolled_at": row.enrolled_at,
        "heartbeat_at": row.heartbeat_at,
        "ended_at": row.ended_at,
        "reported": {"tier": row.tier, "version": row.software, **(row.reported or {})},
        "skew": one.skew,
        "clock": one.clock,
        "unattested": one.unattested,
        "replace_pool_keys_of": one.replace,
        "busy": one.busy,
        "runs": [run.no for run in one.runs],
    }


class Runners(Door):
    """GET: runners of the environments that the caller operates, manages or audits.

    A runner is enrolled and ended through /controls/, as `runner` and `runner_end`.
    """

    def get(self, request: Request) -> Response:
        rows = [shape(one) for one in runners.listed(self.actor, now())]
        return Response({"results": rows, "next": None, "previous": None})
