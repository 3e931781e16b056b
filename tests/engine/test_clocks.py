"""The database's time decides; a clock that is off claims nothing, and what it wrote is flagged in the log (H35)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client

from procedures.domain.clock import now
from procedures.evidence.notes import load_key
from procedures.evidence.queries import facts_of_kinds
from procedures.evidence.record import record
from procedures.evidence.sequence import Sequencer
from procedures.models import Run, Runner
from procedures.queries.runners import listed
from procedures.runner import drive as driving
from procedures.services import claims, moments, runners
from procedures.services.moments import ClockSkewed, database_now
from tests.engine.test_runs import procedure, shell
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary


def queued(world: World) -> tuple[Run, Runner]:
    run = world.ask(procedure(world, "plain", shell("one", "true")), procedure="plain")
    return run, Runner.objects.get(pk=driving.identity().id)


@pytest.mark.parametrize(("off", "words"), [(-9, "9 s behind"), (9, "9 s ahead of")])
def test_a_runner_whose_clock_is_off_claims_nothing_and_says_so(
    world: World, off: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, runner = queued(world)
    with pytest.raises(ClockSkewed, match=words):
        claims.claim_run(run=run.pk, runner=runner, at=now() + timedelta(seconds=off))
    monkeypatch.setattr(driving, "now", lambda: now() + timedelta(seconds=off))
    driving.drive(run.pk)
    run.refresh_from_db()
    assert run.state == "queued"
    monkeypatch.undo()
    driving.drive(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded"


def test_an_approval_that_expired_by_the_database_is_not_revived_by_a_clock_set_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, runner = queued(world)
    Run.objects.filter(pk=run.pk).update(approval_expires_at=now() + timedelta(seconds=2))
    monkeypatch.setattr(moments, "database_now", lambda: now() + timedelta(seconds=4))
    assert claims.claim_run(run=run.pk, runner=runner, at=now()) is None
    run.refresh_from_db()
    assert run.state == "expired"


def test_a_heartbeat_counts_by_the_database_and_tells_of_the_skew(world: World) -> None:
    runner = Runner.objects.get(pk=driving.identity().id)
    runners.beat(runner=runner.pk, tier="B", software="x", at=now() - timedelta(hours=1))
    runner.refresh_from_db()
    assert runner.heartbeat_at is not None
    assert abs(runner.heartbeat_at - now()) < timedelta(seconds=5)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["clocks"] == ["runner is -3600 s off the database and claims nothing"]
    shown = listed(world.mira, now())
    assert [one.clock for one in shown if one.row == runner] == [
        "3600 s behind the database's: it claims nothing until the host's clock is set"
    ]
    runners.beat(runner=runner.pk, tier="B", software="x", at=now())
    assert Client().get("/readyz").json()["checks"] == {"database": True, "runner": True, "clocks": True}


def test_the_sequencer_flags_moments_that_do_not_fit_their_place(world: World, tmp_path: Path) -> None:
    sequencer = Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published")
    step(sequencer)
    at = now()
    said = [
        wrote(at),
        wrote(at - timedelta(minutes=5)),
        wrote(at + timedelta(hours=1)),
        wrote(at - timedelta(seconds=9)),
    ]
    step(sequencer)
    flagged = [(f.facts["event"], f.facts["off_s"]) for f in facts_of_kinds("clock.off")]
    assert [name for name, _ in flagged] == [said[1], said[2]]
    assert flagged[0][1] <= -300
    assert flagged[1][1] > 3500


def wrote(at: datetime) -> str:
    with transaction.atomic():
        return str(record("heartbeat", actor=None, at=at, facts={}).id)


def step(sequencer: Sequencer) -> None:
    while sequencer.step(database_now()):
        continue
