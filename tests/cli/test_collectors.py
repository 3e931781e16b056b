"""A collector by the command line, fed by the scheduler of a portal that really runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Office
from tests.cli.test_ahead import confirmed
from tests.cli.test_commands import DENIED, DONE, said
from tests.fixtures.collector import Listening, listening

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


def until(siem: Listening, least: int) -> None:
    end = time.monotonic() + 60
    while len(siem.kept) < least and time.monotonic() < end:
        time.sleep(0.2)
    assert len(siem.kept) >= least


def test_a_collector_gets_the_log_of_a_running_portal_from_its_scheduler(office: Office, tmp_path: Path) -> None:
    key = ("--key", office.key("mira"))
    with listening() as siem:
        done = office.type("mira", "collector", "set", "siem", siem.url, "--from", "beginning", *key)
        assert done.returncode == DONE, said(done)
        confirmed(office, done.stdout)
        until(siem, 10)
        assert siem.places[:10] == list(range(10))
        assert {one["user-agent"] for one in siem.asked} == {"opsportal"}
        rows = json.loads(office.type("mira", "collector", "list", "--json").stdout)
        assert (rows[0]["name"], rows[0]["url"], rows[0]["first"]) == ("siem", siem.url, 0)
        assert "siem" in office.type("ines", "collector", "list").stdout
        assert office.type("quinn", "collector", "list").returncode == DENIED
        done = office.type(
            "quinn", "collector", "set", "mine", "https://elsewhere.example", "--key", office.key("quinn")
        )
        assert done.returncode == DENIED, said(done)
        done = office.type("mira", "collector", "end", "siem", *key)
        assert done.returncode == DONE, said(done)
        confirmed(office, done.stdout)
    assert "streamed to nobody" in office.type("mira", "collector", "list").stdout
    assert "There is no collector siem" in said(office.type("mira", "collector", "end", "siem", *key))
