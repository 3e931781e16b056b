"""Waiting until a moment, by the clock of a zone and over its changes; and time that stands still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from procedures.domain import waits
from procedures.domain.waits import WaitRefused

pytestmark = pytest.mark.once
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CASES = [
    # until, zone, when the run comes to the gate, when it goes on
    ("22:00", BERLIN, "2026-07-01T12:00", "2026-07-01T20:00"),
    ("22:00", BERLIN, "2026-07-01T20:00", "2026-07-01T20:00"),
    ("22:00", BERLIN, "2026-07-01T20:01", "2026-07-02T20:00"),
    ("00:30", BERLIN, "2026-07-01T22:15", "2026-07-01T22:30"),
    ("22:00", "Pacific/Auckland", "2026-07-01T12:00", "2026-07-02T10:00"),
    ("22:00", "UTC", "2026-12-31T23:00", "2027-01-01T22:00"),
    ("12:00", BERLIN, "2026-03-28T20:00", "2026-03-29T10:00"),  # the night before was an hour shorter
    ("02:30", BERLIN, "2026-03-28T20:00", "2026-03-29T01:30"),  # left out: as if the clocks had not been changed
    ("02:30", BERLIN, "2026-10-24T20:00", "2026-10-25T00:30"),  # comes twice: the first time
    ("02:30", BERLIN, "2026-10-25T00:45", "2026-10-25T01:30"),  # the first is over: the second time
    ("02:30", BERLIN, "2026-10-25T01:45", "2026-10-26T01:30"),
    ("2026-07-02T06:00:00+02:00", None, "2026-07-01T12:00", "2026-07-02T04:00"),
    ("2026-07-02T06:00Z", None, "2026-07-01T12:00", "2026-07-02T06:00"),
    ("2026-06-01T06:00:00Z", None, "2026-07-01T12:00", "2026-07-01T12:00"),  # past: there is nothing to wait for
]


@pytest.mark.parametrize(("until", "zone", "at", "then"), CASES, ids=[f"{c[0]}-at-{c[2]}" for c in CASES])
def test_a_gate_opens_when_the_clock_of_its_zone_says_so(until: str, zone: str | None, at: str, then: str) -> None:
    assert waits.problem(until, zone) == ""
    assert waits.instant(until, zone, utc(at)) == utc(then)


def test_seven_days_are_the_longest_wait() -> None:
    at = utc("2026-07-01T12:00")
    assert waits.instant("2026-07-08T12:00:00Z", None, at) == at + timedelta(days=7)
    with pytest.raises(WaitRefused, match="seven days"):
        waits.instant("2026-07-08T12:00:01Z", None, at)


@pytest.mark.parametrize(
    ("until", "zone", "why"),
    [
        ("22:00", None, "needs a zone"),
        ("22:00", "Europe/Atlantis", "no time zone"),
        ("22:00", "../etc/passwd", "no time zone"),
        ("2026-07-02T06:00:00Z", BERLIN, "leave the zone out"),
        ("2026-02-30T06:00:00Z", None, "no moment"),
    ],
)
def test_what_is_no_moment_is_told(until: str, zone: str | None, why: str) -> None:
    assert why in waits.problem(until, zone)
    with pytest.raises(WaitRefused, match=why):
        waits.instant(until, zone, utc("2026-07-01T12:00"))


def test_time_stands_still_while_a_run_waits_and_only_then() -> None:
    began = utc("2026-07-01T12:00")
    spans = [
        ["2026-07-01T11:00:00+00:00", "2026-07-01T11:30:00+00:00"],  # over before it began
        ["2026-07-01T11:50:00+00:00", "2026-07-01T12:10:00+00:00"],  # half of it
        ["2026-07-01T13:00:00+00:00", "2026-07-01T15:00:00+00:00"],
    ]
    assert waits.later(began, 60, spans) == began + timedelta(seconds=60, minutes=10, hours=2)
    assert waits.later(began, 60, []) == began + timedelta(seconds=60)
