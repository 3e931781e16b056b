"""Runners: that they are there, and what they say of themselves."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from procedures.models import Runner


def beat(*, runner: UUID, tier: str, software: str, at: datetime) -> None:
    """A sign of life. `tier` and `software` are the runner's own words (H42)."""
    Runner.objects.filter(pk=runner).update(heartbeat_at=at, tier=tier, software=software)
