"""What a run says is what happened, whatever dies; the host's own notes are the witness."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from opsportal.demo.client import PASSWORD, Keyboard
from opsportal.supervisor.parts import web_part
from opsportal.supervisor.portal import ROOT, _free_port
from procedures.evidence import verify
from tests.actions.calls import processes
from tests.faults.conftest import Site

ENDED = {"succeeded", "failed", "timed_out", "canceled", "denied", "rejected", "expired", "interrupted"}
pytestmark = [pytest.mark.once, pytest.mark.timeout(900)]


def ended(site: Site, run: dict[str, Any], *, within: float = 40.0) -> dict[str, Any]:
    end = time.monotonic() + within
    while time.monotonic() < end:
        found: dict[str, Any] = site.mira.good("GET", f"/api/v1/runs/{run['id']}/")
        if found["state"] in ENDED:
            return found
        time.sleep(0.2)
    raise AssertionError(f"run {run['no']} is still {found['state']}")


def kill_at(site: Site, seed: int) -> str:
    """Kill the runner at one seeded moment of a run, and compare what is told with what the host wrote down.

    Gives the run's last state.
    """
    word = f"w{seed}x{time.time_ns()}"
    run = site.ask(word)
    MOMENTS[seed % len(MOMENTS)](site, run, word, random.Random(seed))
    killed = time.monotonic()
    state = ended(site, run)["state"]
    time.sleep(max(0.0, 5.0 - (time.monotonic() - killed)))
    began, finished = site.notes().count(word), site.notes().count(f"done {word}")
    assert began <= 1, "the step ran twice"
    kinds = site.kinds(run)
    if "task.finished" not in kinds and "run.claimed" in kinds:
        assert state == "interrupted", f"claimed, no result, and yet {state}"
    if state == "succeeded":
        assert (began, finished) == (1, 1)
    assert processes(word) == []
    site.portal.wait_for("runner")
    return str(state)


def somewhere(site: Site, run: dict[str, Any], word: str, chance: random.Random) -> None:
    """At any time, before the claim and after the end too."""
    time.sleep(chance.uniform(0.0, 1.6))
    site.portal.kill("runner", signal.SIGKILL)


def between_claim_and_intent(site: Site, run: dict[str, Any], word: str, chance: random.Random) -> None:
    """The runner is stopped as soon as its claim is seen; if an intent is there already, another run is tried."""
    for attempt in range(20):
        wait_until(partial(site.has, run, "run.claimed"), pause=0)
        site.portal.kill("runner", signal.SIGSTOP)
        if "step.intent" not in site.kinds(run):
            break
        site.portal.kill("runner", signal.SIGCONT)
        ended(site, run)
        word = f"again{attempt}{word}"
        run = site.ask(word)
    site.portal.kill("runner", signal.SIGKILL)
    assert (ended(site, run)["state"], site.kinds(run).count("step.intent")) == ("interrupted", 0)
    assert site.notes().count(word) == 0


def between_effect_and_result(site: Site, run: dict[str, Any], word: str, chance: random.Random) -> None:
    """From the middle of the step to its end on the host nobody can write, so that its result cannot be recorded."""
    wait_until(lambda: word in site.notes())
    with site.nobody_writes():
        wait_until(lambda: f"done {word}" in site.notes())
        time.sleep(chance.uniform(0.0, 0.2))
        assert "task.finished" not in site.kinds(run)
        site.portal.kill("runner", signal.SIGKILL)
    assert (ended(site, run)["state"], site.notes().count(f"done {word}")) == ("interrupted", 1)


MOMENTS = (between_claim_and_intent, between_effect_and_result, somewhere, somewhere)


def wait_until(question: Callable[[], bool], *, within: float = 20.0, pause: float = 0.005) -> None:
    end = time.monotonic() + within
    while not question():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(pause)


def test_a_killed_runner_leaves_the_truth(site: Site) -> None:
    for seed in range(3):
        kill_at(site, seed)
    assert_log_verifies(site)


@pytest.mark.figures
def test_a_killed_runner_leaves_the_truth_at_twenty_moments(site: Site, figure: Callable[[str, Any], None]) -> None:
    ends = Counter(f"{MOMENTS[seed % len(MOMENTS)].__name__}: {kill_at(site, seed)}" for seed in range(20))
    assert_log_verifies(site)
    figure("kills_of_the_runner", dict(ends))


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
        assert (run["state"], took < 0.5) == ("queued", True), took
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


@contextmanager
def second_web(site: Site) -> Iterator[Keyboard]:
    """Another web process on the same data, and Mira at it."""
    port = _free_port()
    part = web_part(site.portal.data_dir, port, no_tcp=False)
    web = subprocess.Popen(
        part.argv, env=site.portal.environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        assert part.serves is not None
        wait_until(part.serves, within=40, pause=0.1)
        mira = Keyboard(f"http://localhost:{port}", "mira", site.mira.folder)
        mira.http.headers["Referer"] = site.portal.url + "/"  # the portal's own origin, as a balancer would keep it
        mira.login()
        yield mira
    finally:
        web.terminate()
        web.wait(20)


def test_a_grant_revoked_at_one_web_process_denies_at_the_other_and_what_is_queued_never_runs(site: Site) -> None:
    quinn, word = site.company["quinn"], f"r{time.time_ns()}"
    invited = site.mira.good("POST", "/api/v1/people/", {"username": "quinn", "name": "Quinn"})
    token = invited["invitation"].strip("/").rpartition("/")[2]
    quinn.good("POST", "/api/v1/join/", {"token": token, "password": PASSWORD})
    quinn.login()
    grant = site.company.grant("quinn", ["run", "view"], ["staging"], procedure="note-down")
    wish = {"procedure": "note-down", "environment": "staging", "reason": "a fault", "parameters": {"word": word}}
    site.portal.kill("runner", signal.SIGSTOP)
    try:
        run = quinn.good("POST", "/api/v1/runs/", wish)
        assert run["state"] == "queued"
        with second_web(site) as mira:
            mira.propose("grant_end", {"grant": grant["id"], "reason": "no more"})
            quinn.call("POST", "/api/v1/runs/", wish)
            assert (quinn.status, quinn.body["type"].rpartition(":")[2]) == (403, "access.denied")
    finally:
        site.portal.kill("runner", signal.SIGCONT)
    assert ended(site, run)["state"] == "denied"
    assert word not in site.notes()


def test_a_runner_opens_no_port(site: Site) -> None:
    """Nobody connects to a runner, nor to what it starts: it works behind a firewall that lets nothing in."""
    site.portal.wait_for("runner")
    mine = family(site.portal.pid("runner"))
    assert any("procedures.runner.main" in Path(f"/proc/{pid}/cmdline").read_text() for pid in mine)
    assert listening(mine) == []
    assert listening(family(site.portal.pid("web"))) != [], "the same search finds the port of the web process"


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def listening(pids: list[int]) -> list[str]:
    """Addresses of TCP sockets in the state LISTEN, of UDP ones that are bound, and listening unix sockets."""
    held = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                held.add(str(descriptor.readlink()))
    rows = []
    for kind, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        lines = [line.split() for line in Path(f"/proc/{pids[0]}/net/{kind}").read_text().splitlines()[1:]]
        rows += [f"{kind} {row[1]}" for row in lines if row[3] == state and f"socket:[{row[9]}]" in held]
    lines = [line.split() for line in Path(f"/proc/{pids[0]}/net/unix").read_text().splitlines()[1:]]
    return rows + [f"unix {row[-1]}" for row in lines if row[3] == "00010000" and f"socket:[{row[6]}]" in held]
