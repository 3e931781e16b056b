"""A runner that is restarted loses no run, and no step runs twice."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from opsportal.demo.company import Company
from opsportal.settings import folders
from opsportal.supervisor.parts import Part
from opsportal.supervisor.portal import Portal
from procedures.domain.runners import enrolment
from procedures.domain.sshkeys import fingerprint
from procedures.runner import cards
from tests.faults.chaos import EACH, SCRIPT, YAML, Storm, accept, bundle, storm, until
from tests.faults.conftest import Site
from tests.faults.test_faults import assert_log_verifies, ended, wait_until

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]
UNDER_WAY = "SELECT count(*) FROM procedures_run WHERE state = 'running'"
HEARD = "SELECT count(*) FROM procedures_runner WHERE NOT disposable AND heartbeat_at > %s"


def test_a_restart_loses_no_run(site: Site) -> None:
    adam, mira = site.company["adam"], site.mira
    accept(mira, adam.good("POST", "/api/v1/versions/", files={"bundle": ("b.tar.gz", bundle(YAML, SCRIPT))}))
    words = [f"d{number}x{time.time_ns()}" for number in range(4)]
    wish = {"procedure": "storm", "environment": "staging", "reason": "a restart"}
    runs = [mira.good("POST", "/api/v1/runs/", {**wish, "parameters": {"word": word}}) for word in words]
    wait_until(lambda: any(line.startswith("first d") for line in site.notes()))
    before = site.portal.starts("runner")
    site.portal.kill("runner", signal.SIGTERM)
    wait_until(
        lambda: site.portal.starts("runner") > before and site.portal.living_pid("runner") is not None, within=40
    )
    site.portal.wait_for("runner")
    states = [ended(site, run, within=60)["state"] for run in runs]
    assert states == ["succeeded"] * 4
    for word in words:
        assert [site.notes().count(f"done {step} {word}") for step in ("first", "once", "last")] == [1, 1, 1]
    assert any("run.waiting" in site.kinds(run) for run in runs), "nothing was handed over"
    assert_log_verifies(site)


def test_two_runners_of_one_pool_are_restarted_one_after_the_other_under_load_and_no_run_notices(
    host_number: int, request: pytest.FixtureRequest
) -> None:
    """Two processes with keys of their own, enrolled by signed changes; the hosts' notes say what ran, how often."""
    runs, rounds = (40, 3) if request.config.getoption("--all") else (8, 1)
    with storm(11, host_number) as place, second_runner(place) as second:
        numbers = iter(range(runs))
        for portal in [place.portal, second] * rounds:
            for number in itertools.islice(numbers, runs // (2 * rounds)):
                place.ask(number)
            until(lambda: place.cluster.rows(UNDER_WAY)[0][0] > 1, within=60)
            portal.restart("runner")
            began = place.cluster.rows("SELECT now()")[0][0]
            until(lambda: place.cluster.rows(HEARD, began)[0][0] == 2, within=60)  # noqa: B023 - asked in this round
        until(lambda: place.open_runs() == 0 and place.waits_for_nobody(), within=120)
        assert place.judge() == {"succeeded": len(place.words)}, "a restart is no reason for anything but success"
        assert [portal.starts("runner") for portal in (place.portal, second)] == [1 + rounds, 1 + rounds]
        claims = place.cluster.rows("SELECT run, body FROM evidence_event WHERE kind = 'run.claimed' ORDER BY id")
        by_run: dict[UUID, list[str]] = {}
        for run, body in claims:
            by_run.setdefault(run, []).append(json.loads(bytes(body))["runner"])
        assert len({one for names in by_run.values() for one in names}) == 2, "one of them never worked"
        assert any(len(set(names)) == 2 for names in by_run.values()), "no run went from one to the other"
        notes = place.notes()
        for word in place.words:
            assert [notes[f"{step} {word}"] for step in ("first", "once", "last")] == [EACH] * 3, "a step ran twice"


def second_operator(company: Company) -> None:
    """Somebody else who may confirm an enrolment, with a key."""
    petra, mira = company["petra"], company["mira"]
    public = petra.make_key()
    key = {"subject": petra.subject, "public": public, "fingerprint": fingerprint(public)}
    mira.confirm(petra.good("POST", "/api/v1/controls/", {"control": "key", "object": key}))
    company.grant("petra", ["operate", "manage_access"], [])
    company.people["jonas"] = petra


@contextmanager
def second_runner(place: Storm) -> Iterator[Portal]:
    """Another runner of staging beside the portal's own: its own key, its pool's key and authority brought along."""
    portal, folder = place.portal, place.portal.data_dir.parent / "second"
    keys = folder / "keys"
    keys.mkdir(mode=0o700, parents=True)
    for name in ("pool-staging.key", "ssh-ca-staging"):
        shutil.copy2(portal.data_dir / "keys" / name, keys / name)
    second_operator(place.company)
    place.company.both("runner", enrolment(cards.make_later(keys, "staging", name="second", new_pool=False)))
    environ = {
        "DATABASE_URL": place.cluster.url,
        "OPSPORTAL_BROKER_URL": folders.broker_url(portal.data_dir),
        "OPSPORTAL_RUNNER_ADDRESS": "127.0.0.1/32",
    }
    argv = (sys.executable, "-m", "procedures.runner.main", "--environment", "staging")
    with Portal(folder, environ=environ, parts=[Part("runner", argv, grace_s=15.0)]) as second:
        yield second
