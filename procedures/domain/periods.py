"""Periods that auditors ask about: a month, a quarter or a year, whole and in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONTHS = {"month": 1, "quarter": 3, "year": 12}
NAMED = re.compile(r"(\d{4})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])))?")


@dataclass(frozen=True, slots=True)
class Period:
    """One period by its name (2026, 2026-Q3, 2026-09): its first moment and its last."""

    name: str
    first: datetime
    last: datetime


def named(length: str, name: str) -> Period | None:
    """The period of this length that a name means; None if it means none, or one of another length."""
    found = NAMED.fullmatch(name)
    if found is None or length != ("quarter" if found[2] else "month" if found[3] else "year") or found[1] < "1970":
        return None
    return _from(length, int(found[1]), 3 * int(found[2]) - 2 if found[2] else int(found[3] or 1))


def around(length: str, at: datetime) -> Period:
    """The period of this length in which a moment lies."""
    day = at.astimezone(UTC)
    return _from(length, day.year, day.month - (day.month - 1) % MONTHS[length])


def before(period: Period, length: str) -> Period:
    """The period of the same length that ended when this one began."""
    return around(length, period.first - timedelta(microseconds=1))


def _from(length: str, year: int, month: int) -> Period:
    after = month + MONTHS[length]
    first = datetime(year, month, 1, tzinfo=UTC)
    ends = datetime(year + (after - 1) // 12, (after - 1) % 12 + 1, 1, tzinfo=UTC)
    name = {"year": f"{year}", "quarter": f"{year}-Q{(month + 2) // 3}", "month": f"{year}-{month:02}"}[length]
    return Period(name, first, ends - timedelta(microseconds=1))
