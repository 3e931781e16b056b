"""By when something that waits is to be decided, and at which points of that time people are reminded (C6)."""

from __future__ import annotations

from datetime import datetime, timedelta

REVIEW_WITHIN = timedelta(days=3)
HALF, LATE = 0.5, 0.75


def review_by(submitted_at: datetime) -> datetime:
    """By when a submitted version is to be decided."""
    return submitted_at + REVIEW_WITHIN


def point(since: datetime, until: datetime, at: datetime) -> str:
    """The reminder that is due: `reminder` from half of the time on, `late` from three quarters on, else empty."""
    if not since < until or at >= until:
        return ""
    share = (at - since) / (until - since)
    return "late" if share >= LATE else "reminder" if share >= HALF else ""
