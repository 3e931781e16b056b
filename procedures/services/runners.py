"""Runners: that they are there, and what they say of themselves."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from procedures.models import Runner
from procedures.services import moments


def beat(*, runner: UUID, tier: str, software: str, at: datetime) -> None:
    """A sign of life. `tier` and `software` are the runner's own words (H42), `at` is its own clock."""
    heard = moments.database_now()
    skew = (at - heard).total_seconds()
    Runner.objects.filter(pk=runner).update(heartbeat_at=heard, tier=tier, software=software, skew_s=skew)
