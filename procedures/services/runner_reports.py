"""What a runner reports of itself: its own words, which decide what it is offered and never what it may (H42)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.models import Runner

MOST_ACTIONS = 500


def report(*, runner: UUID, tier: str, version: str, said: Mapping[str, Any], at: datetime) -> bool:
    """Keep what a runner says at its start, or when it has changed. False if the portal knows no such living runner.

    `said`: `actions` (id → mark), `software` (digest of what it runs), `plan_format`, `broker`, `process`, `issuer`
    (whether it is `apart` from the runner, and of which environments it is `away`), `draining` (whether it was told to
    stop: it takes nothing new), `unmasked` (encodings of a secret that its mask lets through).
    """
    issuer = said.get("issuer", {})
    kept = {
        "actions": dict(sorted(said["actions"].items())[:MOST_ACTIONS]),
        "software": str(said["software"])[:71],
        "plan_format": int(said["plan_format"]),
        "broker": str(said["broker"])[:20],
        "process": str(said["process"])[:36],
        "draining": bool(said.get("draining")),
        "unmasked": [str(name)[:40] for name in said.get("unmasked", [])[:50]],
        "issuer": {
            "apart": bool(issuer.get("apart")),
            "away": [str(name)[:63] for name in issuer.get("away", [])[:50]],
        },
    }
    fields = {"tier": tier, "software": version[:100], "reported": kept, "heartbeat_at": at}
    return bool(Runner.objects.filter(pk=runner, ended_at__isnull=True).update(**fields))


def still_mine(*, runner: UUID, process: str) -> str:
    """Why this process must take no more work, or "": its runner was ended, or another process runs with its key."""
    row = Runner.objects.filter(pk=runner).only("ended_at", "reported").first()
    if row is None:
        return ""
    if row.ended_at is not None:
        return "This runner was ended."
    other = (row.reported or {}).get("process", process)
    return "" if other == process else "Another process began with this runner's key: two never share one."
