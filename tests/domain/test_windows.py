"""Windows of grants: across midnight, and where clocks are set forward and back."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from procedures.domain import windows

pytestmark = pytest.mark.once


def window(*days: str, begins: str = "09:00", ends: str = "17:00", zone: str = "Europe/Berlin") -> dict[str, Any]:
    return {"days": list(days or windows.DAYS), "from": begins, "until": ends, "zone": zone}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHT = window("fri", begins="22:00", ends="06:00")
CASES = [
    (window("mon"), "2026-06-01T07:00", True),  # 09:00 in summer
    (window("mon"), "2026-06-01T06:59", False),
    (window("mon"), "2026-06-01T15:00", False),  # 17:00: the end is no part of it
    (window("mon"), "2026-01-05T08:00", True),  # 09:00 in winter
    (window("mon"), "2026-01-05T07:30", False),
    (NIGHT, "2026-06-05T20:00", True),  # Friday 22:00
    (NIGHT, "2026-06-06T03:59", True),  # Saturday 05:59 belongs to Friday's night
    (NIGHT, "2026-06-06T04:00", False),
    (NIGHT, "2026-06-05T03:00", False),  # Friday 05:00 belongs to Thursday's
    (NIGHT, "2026-06-06T21:00", False),
    (window("sun", begins="02:15", ends="02:45"), "2026-03-29T00:30", False),  # 01:30, just before the gap
    (window("sun", begins="02:15", ends="02:45"), "2026-03-29T01:00", False),  # 03:00: half past two never was
    (window("sun", begins="02:30", ends="04:00"), "2026-03-29T01:00", True),  # 03:00 by the new time
    (window("sun", begins="02:15", ends="02:45"), "2026-10-25T00:30", True),  # 02:30, the first
    (window("sun", begins="02:15", ends="02:45"), "2026-10-25T01:30", True),  # 02:30, the second
    (window("sun", begins="02:15", ends="02:45"), "2026-10-25T01:00", False),
    (window(begins="00:00", ends="24:00", zone="UTC"), "2026-10-25T23:59", True),
    (window(zone="Europe/Nowhere"), "2026-06-01T10:00", False),
]


@pytest.mark.parametrize(("given", "at", "is_open"), CASES)
def test_the_clock_on_the_wall_decides(given: dict[str, Any], at: str, is_open: bool) -> None:
    assert windows.is_open(given, utc(at)) is is_open


NEXT = [
    (window("mon"), "2026-06-05T15:00", "2026-06-08T07:00"),
    (NIGHT, "2026-06-06T04:00", "2026-06-12T20:00"),
    (window("sun", begins="02:30", ends="04:00"), "2026-03-29T00:00", "2026-03-29T01:00"),
    (window("sun", begins="02:15", ends="02:45"), "2026-03-28T12:00", "2026-04-05T00:15"),
    (window("sun", begins="02:15", ends="02:45"), "2026-10-25T00:50", "2026-10-25T01:15"),
    (window("sun", begins="01:00", ends="02:30"), "2026-10-25T00:45", "2026-10-25T01:00"),
]


@pytest.mark.parametrize(("given", "at", "opens"), NEXT)
def test_a_closed_window_knows_when_it_opens(given: dict[str, Any], at: str, opens: str) -> None:
    assert windows.opens_next(given, utc(at)) == utc(opens)


def test_the_opening_is_the_first_open_minute_whatever_the_zone_and_day() -> None:
    seed = random.Random(4)
    for _ in range(12):
        hours = sorted(seed.sample(range(24), 2), reverse=seed.random() < 0.5)
        given = window(
            *seed.sample(windows.DAYS, seed.randint(4, 7)),
            begins=f"{hours[0]:02}:{seed.choice(['00', '15', '30'])}",
            ends=f"{hours[1]:02}:00",
            zone=seed.choice(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        )
        at = utc("2026-01-01T00:00") + timedelta(minutes=seed.randrange(365 * 1440))
        found = windows.opens_next(given, at)
        assert found is not None
        minute = at
        while not windows.is_open(given, minute):
            minute += timedelta(minutes=1)
        assert found == minute, (given, at)


@pytest.mark.parametrize(
    ("given", "pointer"),
    [(window(zone="Mars/Olympus"), "/w/zone"), (window(begins="17:00"), "/w/until"), (window(zone="UTC"), None)],
)
def test_what_no_window_may_say_is_named(given: dict[str, Any], pointer: str | None) -> None:
    assert [at for at, _ in windows.problems(given, "/w")] == ([pointer] if pointer else [])


def test_a_window_reads_as_a_sentence() -> None:
    assert windows.told(window("mon", "tue", "wed")) == "mon to wed, 09:00 to 17:00, Europe/Berlin"
    assert windows.told(window("mon", "wed")) == "mon, wed, 09:00 to 17:00, Europe/Berlin"
    assert windows.told_moment(window(), utc("2026-06-08T07:00")) == "mon 2026-06-08 09:00 (Europe/Berlin)"
