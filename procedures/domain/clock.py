"""Where time enters. Everything else is handed `at`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SKEW = timedelta(seconds=5)  # how far from the database a process may be and still decide (H35)


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)
