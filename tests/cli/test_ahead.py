"""A schedule of production as people type it: proposed, confirmed by another, approved ahead, fired, and taken back;
and what nobody was there for is found and told.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.browser.timed import RULES
from tests.cli.conftest import Office
from tests.cli.test_commands import DENIED, USAGE, said
from tests.cli.test_schedules import good

pytestmark = [pytest.mark.once, pytest.mark.timeout(420)]
PLACE = ["--procedure", "greet", "--environment", "production", "--account", "prodbot", "--reason", "a test"]
ZONE = "Asia/Kathmandu"  # a quarter to, all year


def signed(office: Office, who: str) -> list[str]:
    return ["--key", office.key(who)]


def prepared(office: Office, folder: Path) -> None:
    """An account that may greet in production, whose rules let approvals be given ahead."""
    key = signed(office, "mira")
    good(office, "mira", "account", "make", "prodbot", "--name", "Prod", "--owner", "quinn", *key)
    given = ["access", "grant", "person:prodbot", "run", "--procedure", "greet", "--environment", "production"]
    good(office, "mira", *given, "--days", "3", "--reason", "by night", *key)
    (folder / "rules.json").write_text(json.dumps(RULES))
    confirmed(office, good(office, "mira", "control", "propose", "environment", str(folder / "rules.json"), *key))


def confirmed(office: Office, told: str, who: str = "jonas") -> None:
    """As the command that proposed it says."""
    found = re.search(r"opsportal control confirm (\S+)", told)
    if found is not None:
        assert "is confirmed" in good(office, who, "control", "confirm", found[1], *signed(office, who))


def test_a_schedule_of_production_from_its_proposal_to_its_end(office: Office, accepted: str, tmp_path: Path) -> None:
    prepared(office, tmp_path)
    quinn, petra = signed(office, "quinn"), signed(office, "petra")
    wish = ["--cron", "30 2 * * *", "--zone", ZONE, "--parameters", '{"who": "Zoe"}']
    told = good(office, "quinn", "schedule", "add", "monthly", *PLACE, *wish, *quinn)
    assert "schedule is proposed; another person confirms it" in told
    assert "monthly" not in good(office, "quinn", "schedule", "list")
    own = office.type("quinn", "control", "confirm", told.split()[-1], *quinn)
    assert own.returncode == DENIED, said(own)
    confirmed(office, told)
    planned = good(office, "quinn", "schedule", "next", "monthly").splitlines()
    assert len(planned) == 10
    assert all(f"02:30 {ZONE}" in row and "T20:45 UTC" in row for row in planned), planned
    assert re.search(r"monthly +greet +production +active +next ", good(office, "petra", "schedule", "list"))

    words = ["schedule", "approve", "monthly", "--runs", "3", "--days", "2", "--yes"]
    for who, status in (("quinn", DENIED), ("adam", DENIED)):
        done = office.type(who, *words, *signed(office, who))
        assert done.returncode == status, said(done)
    assert "You stand behind monthly" in said(office.type("quinn", *words, *quinn))
    assert office.type("petra", *words).returncode == USAGE, "it is signed"
    shown = good(office, "petra", *words, *petra)
    assert "3 runs of monthly go without asking" in shown
    assert "who=Zoe" in shown
    assert "3 left" in good(office, "quinn", "schedule", "show", "monthly")
    which = json.loads(good(office, "petra", "schedule", "show", "monthly", "--json"))["pre_approvals"][0]["id"]
    back = ["schedule", "take-back", "monthly", which, "--reason", "looked again"]
    assert office.type("quinn", *back).returncode == DENIED
    assert "wait for a person again" in good(office, "petra", *back)
    shown = good(office, "petra", "schedule", "show", "monthly")
    assert "counts no more: it was taken back: looked again" in shown
    good(office, "jonas", "schedule", "pause", "monthly", "--reason", "holidays")
    assert "paused: holidays" in good(office, "quinn", "schedule", "show", "monthly")
    assert "Nothing is planned" in good(office, "quinn", "schedule", "next", "monthly")
    good(office, "quinn", "schedule", "resume", "monthly", "--reason", "back")
    assert len(good(office, "quinn", "schedule", "next", "monthly").splitlines()) == 10
    assert "standing_end is confirmed" in good(
        office, "quinn", "schedule", "end", "monthly", "--reason", "over", *quinn
    )
    assert good(office, "quinn", "schedule", "show", "monthly").splitlines()[1] == "ended"

    soon = f"{datetime.now(UTC) + timedelta(seconds=75):%Y-%m-%dT%H:%M:%SZ}"
    told = good(office, "quinn", "schedule", "add", "at-once", *PLACE, "--at", soon, *wish[-2:], *quinn)
    confirmed(office, told)
    good(office, "petra", "schedule", "approve", "at-once", "--runs", "1", "--days", "1", "--yes", *petra)
    until = time.monotonic() + 180
    while "succeeded" not in (shown := good(office, "petra", "schedule", "show", "at-once")):
        assert time.monotonic() < until, shown
        time.sleep(2)
    assert "1 of 1 runs" in shown, "nobody was asked"


def test_what_nobody_was_there_for_is_found_and_told_to_a_person(office: Office, accepted: str) -> None:
    key = signed(office, "mira")
    good(office, "mira", "account", "make", "latebot", "--name", "Late", "--owner", "quinn", *key)
    given = ["access", "grant", "person:latebot", "run", "--procedure", "greet", "--environment", "development"]
    good(office, "mira", *given, "--days", "3", "--reason", "late", *key)
    place = ["--procedure", "greet", "--environment", "development", "--account", "latebot", "--reason", "a test"]
    good(office, "quinn", "schedule", "add", "hourly", *place, "--cron", "0 * * * *", "--parameters", '{"who": "Kim"}')
    then = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    database = office.portal.data_dir / "database" / "opsportal.sqlite3"
    with closing(sqlite3.connect(database, timeout=20)) as tables, tables:  # as if the portal had been away
        tables.execute("UPDATE procedures_standing SET next_at = ? WHERE name = 'hourly'", [str(then)[:19]])
    until = time.monotonic() + 60
    while "missed" not in (shown := good(office, "quinn", "schedule", "show", "hourly")):
        assert time.monotonic() < until, shown
        time.sleep(1)
    assert "5 planned before were missed" in shown
    told = good(office, "quinn", "notices", "list")
    assert re.search(r"for [56] planned times of the schedule hourly", told), told
    assert "5 planned" not in good(office, "quinn", "schedule", "next", "hourly")
