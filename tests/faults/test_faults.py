"""What a run says is what happened, whatever dies; the host's own notes are the witness."""

from __future__ import annotations

import random
import signal
import time
from typing import Any

import pytest

from procedures.evidence import verify
from tests.actions.calls import processes
from tests.faults.conftest import Site

ENDED = {"succeeded", "failed", "timed_out", "canceled", "denied", "rejected", "expired", "interrupted"}
# A noisy machine may take longer to do the same; a publish that tried again would take seconds.
SLACK_S = 0.7
pytestmark = [pytest.mark.once, pytest.mark.timeout(900)]


def ended(site: Site, run: dict[str, Any], *, within: float = 40.0) -> dict[str, Any]:
    end = time.monotonic() + within
    while time.monotonic() < end:
        found: dict[str, Any] = site.mira.good("GET", f"/api/v1/runs/{run['id']}/")
        if found["state"] in ENDED:
            return found
        time.sleep(0.2)
    raise AssertionError(f"run {run['no']} is still {found['state']}")


def kill_at(site: Site, seed: int) -> None:
    """Kill the runner at one seeded moment of a run, and compare what is told with what the host wrote down."""
    word = f"w{seed}x{time.time_ns()}"
    run = site.ask(word)
    time.sleep(random.Random(seed).uniform(0.0, 1.6))
    site.portal.kill("runner", signal.SIGKILL)
    killed = time.monotonic()
    state = ended(site, run)["state"]
    time.sleep(max(0.0, 5.0 - (time.monotonic() - killed)))
    began, finished = site.notes().count(word), site.notes().count(f"done {word}")
    assert began <= 1, "the step ran twice"
    assert state in {"interrupted", "succeeded"}
    if state == "succeeded":
        assert (began, finished) == (1, 1)
    assert processes(word) == []
    site.portal.wait_for("runner")


def test_a_killed_runner_leaves_the_truth(site: Site) -> None:
    for seed in range(3):
        kill_at(site, seed)
    assert_log_verifies(site)


@pytest.mark.figures
def test_a_killed_runner_leaves_the_truth_at_twenty_moments(site: Site) -> None:
    for seed in range(20):
        kill_at(site, seed)
    assert_log_verifies(site)


def assert_log_verifies(site: Site) -> None:
    key = site.mira.good("GET", "/api/v1/evidence/log/")["log_key"]
    pack = site.mira.good("POST", "/api/v1/evidence/exports/", {})
    assert verify.verify(pack, key)["verdict"] == "SIGNED"


def test_a_request_is_quick_when_the_broker_is_down_and_the_run_starts_when_it_is_back(site: Site) -> None:
    site.portal.kill("broker", signal.SIGSTOP)
    try:
        began = time.monotonic()
        run = site.ask(f"b{time.time_ns()}")
        took = time.monotonic() - began
        assert (run["state"], took < 0.5 + SLACK_S) == ("queued", True), took
    finally:
        site.portal.kill("broker", signal.SIGCONT)
    assert ended(site, run)["state"] == "succeeded"


def test_cancel_ends_a_running_step_on_the_host(site: Site) -> None:
    word = f"c{time.time_ns()}"
    run = site.ask(word)
    end = time.monotonic() + 15
    while word not in site.notes() and time.monotonic() < end:
        time.sleep(0.05)
    site.mira.good("POST", f"/api/v1/runs/{run['id']}/cancel/", {"reason": "enough"})
    assert ended(site, run)["state"] in {"canceled", "succeeded"}
    assert processes(word) == []
