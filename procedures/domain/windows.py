"""Days and hours in which a grant may be used, by the clock on the wall of its time zone.

What the wall shows decides: an hour that the change of clocks leaves out is left out, one that comes twice counts
twice. A window whose `until` is not after its `from` reaches into the next morning; its days are those it opens on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HORIZON = 15  # days; a window opens at least once a week, and a place may leave out a day
PERIOD: Mapping[str, Any] = {  # which runs `audit` is about, by when they were asked for
    "type": "object",
    "required": ["from", "to"],
    "additionalProperties": False,
    "properties": {
        name: {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"} for name in ("from", "to")
    },
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["days", "from", "until", "zone"],
    "additionalProperties": False,
    "properties": {
        "days": {"type": "array", "items": {"enum": list(DAYS)}, "minItems": 1, "uniqueItems": True},
        "from": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
        "until": {"type": "string", "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"},
        "zone": {"type": "string", "pattern": "^(UTC|[A-Z][A-Za-z]+(/[A-Za-z0-9_+-]+){1,2})$", "maxLength": 60},
    },
}


def problems(window: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    """What a window of the right shape still may not say, with pointers."""
    found = []
    if _zone(window["zone"]) is None:
        found.append((f"{prefix}/zone", f"{window['zone']!r} is no time zone; write one like Europe/Berlin, or UTC"))
    if window["from"] == window["until"]:
        found.append((f"{prefix}/until", "is when it opens; the whole day is 00:00 to 24:00"))
    return found


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def is_open(window: Mapping[str, Any] | None, at: datetime) -> bool:
    """Whether a grant with this window may be used at this instant. A zone unknown to this machine is closed."""
    if window is None:
        return True
    zone = _zone(window["zone"])
    if zone is None:
        return False
    wall = at.astimezone(zone)
    minute = f"{wall:%H:%M}"
    begins, ends = window["from"], window["until"]
    today = DAYS[wall.weekday()] in window["days"]
    if begins < ends:
        return today and begins <= minute < ends
    yesterday = DAYS[wall.weekday() - 1] in window["days"]
    return (today and minute >= begins) or (yesterday and minute < ends)


def opens_next(window: Mapping[str, Any], at: datetime) -> datetime | None:
    """The first instant from `at` on at which the window is open, to the minute; None if there is none in sight."""
    if is_open(window, at):
        return at
    zone = _zone(window["zone"])
    if zone is None:
        return None
    return min((one for one in _turns(window, zone, at) if one > at and is_open(window, one)), default=None)


def _turns(window: Mapping[str, Any], zone: ZoneInfo, at: datetime) -> Iterator[datetime]:
    """Every instant at which it could open: its hour on each day, and each minute around a change of clocks."""
    begins = time.fromisoformat(window["from"])
    first = at.astimezone(zone).date()
    for day in range(HORIZON):
        for fold in (0, 1):
            yield datetime.combine(first + timedelta(days=day), begins, zone).replace(fold=fold).astimezone(UTC)
    start = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    for hours in range(HORIZON * 24):
        hour = start + hours * HOUR
        if hour.astimezone(zone).utcoffset() != (hour + HOUR).astimezone(zone).utcoffset():
            yield from (hour + minutes * MINUTE for minutes in range(61))


def told(window: Mapping[str, Any]) -> str:
    """`mon to fri, 09:00 to 17:00, Europe/Berlin`."""
    days = [day for day in DAYS if day in window["days"]]
    first, last = DAYS.index(days[0]), DAYS.index(days[-1])
    row = len(days) > 2 and list(DAYS[first : last + 1]) == days
    which = "every day" if len(days) == 7 else f"{days[0]} to {days[-1]}" if row else ", ".join(days)
    return f"{which}, {window['from']} to {window['until']}, {window['zone']}"


def told_moment(window: Mapping[str, Any], at: datetime) -> str:
    """A moment by the clock that the window goes by."""
    wall = at.astimezone(_zone(window["zone"]) or UTC)
    return f"{DAYS[wall.weekday()]} {wall:%Y-%m-%d %H:%M} ({window['zone']})"
