"""How long evidence is kept, and which runs are past their date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from procedures.domain import retention
from procedures.models import PortalSetting, Run


@dataclass(frozen=True, slots=True)
class Kept:
    """How long runs of a version are kept, in days; `short` says what is wrong with what its author `declared`."""

    days: int
    floor: int
    declared: int
    short: str


def floor_in_force() -> int:
    """Days that a run is kept at least after its end."""
    row = PortalSetting.objects.filter(pk=retention.CONTROL).first()
    return int(row.value["days"]) if row else retention.FLOOR_DAYS


def declared(evidence: Mapping[str, Any]) -> Kept:
    """What a version's declaration comes to under the floor of now."""
    floor = floor_in_force()
    days, said = retention.kept_days(evidence, floor), retention.declared_days(evidence)
    return Kept(days, floor, said, retention.too_short(evidence, floor))


def kept_until(run: Run) -> datetime | None:
    """Until when a run is kept; None until it has ended. One that older software ended has no date written down."""
    if run.ended_at is None:
        return None
    return run.kept_until_at or retention.until(run.ended_at, run.kept_days)


def past_their_date(at: datetime) -> QuerySet[Run]:
    """Runs whose time is over, the oldest first."""
    undated = Q(kept_until_at__isnull=True, ended_at__lte=at - timedelta(days=retention.FLOOR_DAYS))
    return Run.objects.filter(Q(kept_until_at__lte=at) | undated).order_by("no")
