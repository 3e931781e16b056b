"""A schedule and a hook as people type them: set, looked at, fired by a delivery, paused and ended."""

from __future__ import annotations

import json
import time

import pytest

from tests.cli.conftest import Office
from tests.cli.test_commands import DENIED, DONE, said

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
PLACE = ["--procedure", "greet", "--environment", "development", "--account", "nightbot", "--reason", "a test"]


def good(office: Office, who: str, *words: str) -> str:
    done = office.type(who, *words)
    assert done.returncode == DONE, said(done)
    return done.stdout


def test_a_schedule_and_a_hook_are_set_seen_fired_and_ended(office: Office, accepted: str) -> None:
    key = ["--key", office.key("mira")]
    good(office, "mira", "account", "make", "nightbot", "--name", "Night", "--owner", "quinn", *key)
    given = ["access", "grant", "person:nightbot", "run", "--procedure", "greet", "--environment", "development"]
    good(office, "mira", *given, "--days", "3", "--reason", "at night", *key)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 12))  # its time comes while the rest is typed
    good(office, "quinn", "schedule", "add", "soon", *PLACE, "--at", soon, "--parameters", '{"who": "Kim"}')
    cron = ["--cron", "30 2 * * *", "--zone", "Europe/Berlin", "--parameters", '{"who": "Zoe"}']
    assert "schedule is confirmed" in good(office, "quinn", "schedule", "add", "nightly", *PLACE, *cron)
    planned = good(office, "quinn", "schedule", "next", "nightly").splitlines()
    assert len(planned) == 10
    assert all("02:30 Europe/Berlin" in row for row in planned)
    assert "nightly" in good(office, "quinn", "schedule", "list", "--procedure", "greet")
    good(office, "quinn", "schedule", "pause", "nightly", "--reason", "holidays")
    assert "paused: holidays" in good(office, "quinn", "schedule", "show", "nightly")
    good(office, "quinn", "schedule", "resume", "nightly", "--reason", "back")
    assert "pins the accepted version" in good(office, "quinn", "schedule", "repin", "nightly")
    assert "standing_end is confirmed" in good(office, "quinn", "schedule", "end", "nightly", "--reason", "over")

    private = office.folder / "hook.key"
    public = good(office, "quinn", "hook", "keys", str(private)).strip()
    assert private.stat().st_mode & 0o777 == 0o600
    mapping = ["--map", '{"who": {"pointer": "/name"}}', "--public", f"{public}=quinn"]
    assert "hook is confirmed" in good(office, "quinn", "hook", "add", "deployed", *PLACE, *mapping)
    delivery = ["hook", "send", "deployed", "--key-file", str(private), "--data", '{"name": "Zoe"}']
    sent = json.loads(good(office, "ci", *delivery))
    assert sent["outcome"] == "asked"
    shown = good(office, "quinn", "hook", "show", "deployed")
    assert f"run #{sent['run']}" in shown
    assert "/hooks/deployed" in shown
    other = office.folder / "other.key"
    good(office, "quinn", "hook", "keys", str(other))
    wrong = office.type("ci", "hook", "send", "deployed", "--key-file", str(other))
    assert (wrong.returncode, "missing or wrong" in wrong.stdout) == (DENIED, True), said(wrong)
    good(office, "quinn", "hook", "end", "deployed", "--reason", "over")
    gone = office.type("ci", "hook", "send", "deployed", "--key-file", str(private))
    assert gone.returncode == DENIED, said(gone)

    until = time.monotonic() + 120
    while "asked" not in good(office, "quinn", "schedule", "show", "soon"):
        assert time.monotonic() < until
        time.sleep(0.2)
