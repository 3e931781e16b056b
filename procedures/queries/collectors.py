"""How far each collector has the log, and since when one lacks what it should have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from procedures.domain.collectors import LATE
from procedures.evidence.models import Checkpoint, Leaf
from procedures.models import Collector


@dataclass(frozen=True, slots=True)
class Streamed:
    """`behind` events of the log wait for it, the oldest since `waiting_since`; `gap` where that is too long."""

    row: Collector
    behind: int
    waiting_since: datetime | None
    gap: bool

    @property
    def silent_since(self) -> datetime | None:
        """Since when it has acknowledged nothing although something waits for it; None where nothing does."""
        if self.waiting_since is None:
            return None
        return max(self.waiting_since, self.row.since_at, self.row.sent_at or self.row.since_at)


def streamed(at: datetime) -> list[Streamed]:
    """Every live collector, by name."""
    size = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    return [_one(row, size, at) for row in Collector.objects.filter(ended_at__isnull=True).order_by("name")]


def _one(row: Collector, size: int, at: datetime) -> Streamed:
    behind = max(0, size - row.sent)
    oldest = Leaf.objects.filter(index=row.sent).values_list("event__at", flat=True).first() if behind else None
    return Streamed(row, behind, oldest, oldest is not None and at - oldest > LATE)
