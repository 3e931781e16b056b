"""A run that goes on is a run: it takes one more of what was approved ahead, and by a person's hand none of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.models import Run, Standing, Version
from procedures.queries.ahead import given
from procedures.services.continuing import go_on_by_itself
from tests.engine.going_on import SAFE, Story, driven, lost, on, row, story
from tests.engine.test_runs import procedure
from tests.evidence.conftest import Log
from tests.factories import ahead
from tests.factories.standing import until
from tests.standing.conftest import MINUTELY, Plant, fired, last, lent

pytestmark = pytest.mark.ordinary
__all__ = ["story"]


@pytest.fixture
def nightly(plant: Plant, story: Story, settings: object) -> Standing:
    """A schedule of two steps in development, which asks for an approval; Sam gave two ahead."""
    settings.OPSPORTAL_HEARTBEAT_S = 60  # type: ignore[attr-defined]
    procedure(plant.world, "whole", row("a"), row("b", SAFE))
    for who in (plant.robot, plant.olga):
        plant.world.may(who, "run", "view", procedure="whole", expires_at=until(29))
    plant.version = Version.objects.get(procedure__name="whole")
    rules = ahead.rules("development", position=1, production=False, drafts=True, min_strength="session")
    plant.world.confirmed("environment", rules)
    made = plant.sets("schedule", plant.schedule(procedure="whole", parameters={"word": "x"}, when=MINUTELY))
    ahead.given(plant.world, ahead.approver(plant.world), count=2)
    return made


def gone_on(run: Run) -> Run:
    assert go_on_by_itself(at=now() + timedelta(seconds=31)) == 1
    return Run.objects.get(continues=run)


def test_each_that_goes_on_by_itself_takes_one_more_and_the_pack_proves_it(
    plant: Plant, nightly: Standing, story: Story, tmp_path: Path
) -> None:
    run = lost(fired(nightly), story, "b")
    second = gone_on(run)
    assert (second.state, given(nightly, now())[0].left) == ("queued", 0)
    assert len(lent(second)) == 1
    assert driven(second).state == "succeeded"
    log = Log(plant.world, Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published"), second)
    found = verify.verify(log.pack(), log.key)
    assert [one["used"] for one in found["ahead"]] == [2]
    later = fired(nightly)
    assert (later.state, "it is used up" in last(nightly).why) == ("awaiting_approval", True)


def test_by_a_person_s_hand_it_asks_a_person(plant: Plant, nightly: Standing, story: Story) -> None:
    run = lost(fired(nightly), story, "b")
    by_hand = on(run, actor=plant.olga)
    assert (by_hand.state, by_hand.approved_ahead.count()) == ("awaiting_approval", 0)


def test_what_was_used_up_lets_nothing_go_on(plant: Plant, nightly: Standing, story: Story) -> None:
    second = lost(gone_on(lost(fired(nightly), story, "b")), story, "b")
    third = gone_on(second)
    assert (third.state, third.approved_ahead.count()) == ("awaiting_approval", 0)
