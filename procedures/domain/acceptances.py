"""How long an acceptance stands, and when it is time to look at it again."""

from __future__ import annotations

from datetime import datetime, timedelta

ACCEPTED_FOR = timedelta(days=365)
DUE_BEFORE = timedelta(days=30)


def is_due(expires_at: datetime | None, at: datetime) -> bool:
    """Whether an acceptance ends soon enough, or has ended, to be reviewed again."""
    return expires_at is not None and expires_at - at <= DUE_BEFORE
