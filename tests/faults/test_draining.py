"""Two runners that are restarted one after the other lose no run, and no step runs twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from opsportal.supervisor.portal import ROOT
from tests.faults.chaos import SCRIPT, YAML, accept, bundle
from tests.faults.conftest import Site
from tests.faults.test_faults import assert_log_verifies, ended, wait_until

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


@contextmanager
def another_runner(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "procedures.runner.main", "--environment", "all"]
    runner = subprocess.Popen(
        argv, env=site.portal.environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        yield runner
    finally:
        runner.terminate()
        runner.wait(30)


def test_a_rolling_restart_loses_no_run(site: Site) -> None:
    adam, mira = site.company["adam"], site.mira
    accept(mira, adam.good("POST", "/api/v1/versions/", files={"bundle": ("b.tar.gz", bundle(YAML, SCRIPT))}))
    words = [f"d{number}x{time.time_ns()}" for number in range(4)]
    wish = {"procedure": "storm", "environment": "staging", "reason": "a restart"}
    with another_runner(site) as other:
        runs = [mira.good("POST", "/api/v1/runs/", {**wish, "parameters": {"word": word}}) for word in words]
        wait_until(lambda: any(line.startswith("first d") for line in site.notes()))
        site.portal.kill("runner", signal.SIGTERM)
        wait_until(lambda: site.portal.starts("runner") > 1 and site.portal.living_pid("runner") is not None, within=40)
        site.portal.wait_for("runner")
        other.terminate()
        assert other.wait(30) == 0
        states = [ended(site, run, within=60)["state"] for run in runs]
    assert states == ["succeeded"] * 4
    for word in words:
        assert [site.notes().count(f"done {step} {word}") for step in ("first", "once", "last")] == [1, 1, 1]
    assert any("run.waiting" in site.kinds(run) for run in runs), "nothing was handed over"
    assert_log_verifies(site)
