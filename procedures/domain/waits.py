"""Waiting: until which instant a gate lets nobody pass, and how much of a run's time its waits were.

A time of day is the next one that the clock on the wall of its zone shows. One that the change of clocks leaves out
counts as if the clocks had not been changed; of one that comes twice it is whichever comes next.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from procedures.domain.errors import OpsError

LONGEST_S = 7 * 86_400
TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})"
UNTIL = f"^({TIME}|{INSTANT})$"
ZONE = r"^(UTC|[A-Z][A-Za-z]+(/[A-Za-z0-9_+-]+){1,2})$"


class WaitRefused(OpsError):
    """A moment that no run can wait for."""

    code = "gate.wait-refused"
    next_step = "Name a time of day and its zone, or a moment at most seven days after the run comes to the gate."


def problem(until: str, zone: str | None) -> str:
    """Why this is no moment to wait for, or nothing."""
    if re.fullmatch(TIME, until):
        if zone is None:
            return "a time of day needs a zone, such as Europe/Berlin"
        return "" if _zone(zone) else f"{zone!r} is no time zone; write one like Europe/Berlin, or UTC"
    if zone is not None:
        return "a moment says its own offset; leave the zone out"
    return "" if _instant(until) else f"{until!r} is no moment of the calendar"


def instant(until: str, zone: str | None, at: datetime) -> datetime:
    """The moment that is meant by somebody who begins to wait at `at`; a past one is over. Raises WaitRefused."""
    if why := problem(until, zone):
        raise WaitRefused(f"until: {why}.")
    found = _next(until, _zone(zone or "UTC") or ZoneInfo("UTC"), at) if until[2] == ":" else _instant(until)
    if found is None or found > at + timedelta(seconds=LONGEST_S):
        raise WaitRefused(f"The gate would wait until {until}; the longest wait is seven days.")
    return max(found, at)


def later(began: datetime, length_s: int, waits: Sequence[Sequence[str]]) -> datetime:
    """When a time limit is over that stands still while the run waits: `waits` are [from, until] in RFC 3339."""
    spans = [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in waits]
    waited = sum((end - max(start, began) for start, end in spans if end > began), timedelta())
    return began + timedelta(seconds=length_s) + waited


def _next(clock: str, zone: ZoneInfo, at: datetime) -> datetime:
    wanted, today = time.fromisoformat(clock), at.astimezone(zone).date()
    found = []
    for day in range(-1, 3):
        both = [datetime.combine(today + timedelta(days=day), wanted, zone).replace(fold=fold) for fold in (0, 1)]
        utc = [one.astimezone(UTC) for one in both]
        shown = [one for one in utc if f"{one.astimezone(zone):%H:%M}" == clock]
        found += shown or utc[:1]
    return min(one for one in found if one >= at)


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
