"""A runner that is restarted loses no run, and no step runs twice."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.chaos import SCRIPT, YAML, accept, bundle
from tests.faults.conftest import Site
from tests.faults.test_faults import assert_log_verifies, ended, wait_until

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


def test_a_restart_loses_no_run(site: Site) -> None:
    adam, mira = site.company["adam"], site.mira
    accept(mira, adam.good("POST", "/api/v1/versions/", files={"bundle": ("b.tar.gz", bundle(YAML, SCRIPT))}))
    words = [f"d{number}x{time.time_ns()}" for number in range(4)]
    wish = {"procedure": "storm", "environment": "staging", "reason": "a restart"}
    runs = [mira.good("POST", "/api/v1/runs/", {**wish, "parameters": {"word": word}}) for word in words]
    wait_until(lambda: any(line.startswith("first d") for line in site.notes()))
    site.portal.kill("runner", signal.SIGTERM)
    wait_until(lambda: site.portal.starts("runner") > 1 and site.portal.living_pid("runner") is not None, within=40)
    site.portal.wait_for("runner")
    states = [ended(site, run, within=60)["state"] for run in runs]
    assert states == ["succeeded"] * 4
    for word in words:
        assert [site.notes().count(f"done {step} {word}") for step in ("first", "once", "last")] == [1, 1, 1]
    assert any("run.waiting" in site.kinds(run) for run in runs), "nothing was handed over"
    assert_log_verifies(site)
