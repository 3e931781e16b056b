"""The bound on how much of an environment's targets one hand changes within an hour: what is above it waits (H12)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from procedures.domain import target_changes
from procedures.models import ControlChange, Environment, Target

FIELDS = ("address", "port", "host_key", "host_authority", "trust", "tags", "attributes")


def too_many(object: Mapping[str, Any], at: datetime) -> str:
    """Why this change of a target waits for a second person wherever it is, or an empty string.

    A new target, and one proposed again as it is, changes nothing that stands.
    """
    rows = Target.objects.filter(environment_id=object["environment"])
    before = rows.filter(name=object["name"], ended_at__isnull=True).first()
    wanted = {name: object.get(name, "") for name in FIELDS}
    if before is None or (object["action"] == "set" and _said(before) == wanted):
        return ""
    changed = _changed(object["environment"], at) | {object["name"]}
    live = rows.filter(ended_at__isnull=True).count()
    if len(changed) <= target_changes.most(live):
        return ""
    return (
        f"{len(changed)} targets of {object['environment']} would have changed within an hour. Above "
        f"{target_changes.SHARE} % of them, and {target_changes.AT_LEAST}, a second person confirms each."
    )


def confirmers_for_many(change: ControlChange, at: datetime) -> int:
    """How many more people a change waits for by `too_many`. Of two at once the second sees the first."""
    if change.control != "target":
        return 0
    Environment.objects.select_for_update().get(pk=change.object["environment"])
    return 1 if too_many(change.object, at) else 0


def _changed(environment: str, at: datetime) -> set[str]:
    """Names of targets that are another thing, or gone, since an hour ago."""
    since = at - target_changes.WITHIN
    rows = Target.objects.filter(environment_id=environment)
    now = {row.name: _said(row) for row in rows.filter(ended_at__isnull=True)}
    ended = rows.filter(ended_at__gt=since, since_at__lte=since)
    young = rows.filter(ended_at__gt=since, since_at__gt=since)
    first = {row.name: _said(row) for row in [*young.order_by("-since_at"), *ended]}
    return {name for name, said in first.items() if now.get(name) != said}


def _said(row: Target) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}
