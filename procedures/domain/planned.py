"""When a schedule fires: cron by the clock on the wall of a time zone, or once.

Fields and change of clocks are Debian cron's (man 8 cron), as cronsim has them: a job of fixed hours that the change of
clocks leaves out runs right after it, one whose hour comes twice runs once; jobs of every hour or minute follow the
clock's real time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from procedures.domain.canonical import parse_moment

SECOND = timedelta(seconds=1)
SHORTEST = timedelta(minutes=1)
MOST_MISSED = 10_000  # looked at after a long time without a scheduler


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that name, None if this machine knows none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def problem(cron: str) -> str:
    """Why a text is no cron expression of five fields, or an empty string."""
    if len(cron.split()) != 5:
        return "has five fields: minute, hour, day of month, month, day of week, as `30 2 * * mon-fri`"
    try:
        next(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as wrong:
        return f"is no cron expression: {wrong or 'it never comes'}"
    return ""


def times(when: Mapping[str, Any], after: datetime) -> Iterator[datetime]:
    """Planned moments later than `after`, in UTC, in order; none for what follows another run."""
    if "at" in when:
        moment = parse_moment(when["at"])
        if moment > after:
            yield moment
    elif "cron" in when:
        zone = zone_of(when["zone"])
        last = after.astimezone(UTC)
        for moment in _cron(when["cron"], zone, after) if zone else ():
            if moment > last:  # an hour that comes twice may name one moment twice
                last = moment
                yield moment


def _cron(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    for moment in CronSim(cron, after.astimezone(zone)):
        yield moment.astimezone(UTC)


def next_time(when: Mapping[str, Any], after: datetime) -> datetime | None:
    """The first planned moment later than `after`, or None."""
    return next(times(when, after), None)


def next_times(when: Mapping[str, Any], after: datetime, count: int, until: datetime) -> list[datetime]:
    """The next planned moments before `until`, at most `count`."""
    return [moment for moment in islice(times(when, after), count) if moment < until]


def is_planned(when: Mapping[str, Any], moment: datetime) -> bool:
    """Whether a schedule plans exactly this moment."""
    return next_time(when, moment - SECOND) == moment


def due(when: Mapping[str, Any], first: datetime, at: datetime) -> list[datetime]:
    """Planned moments from `first` until now, at most ten thousand of them."""
    found = []
    for moment in islice(times(when, first - SECOND), MOST_MISSED):
        if moment > at:
            break
        found.append(moment)
    return found
