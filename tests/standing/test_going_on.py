"""A run that goes on is still its schedule's: it counts for the overlap, stands by what people signed, and is followed
once, by how the last of the row ended."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Fire, Person, Run, Standing, Stop, Version
from procedures.queries.standing import history
from procedures.services import standing_states
from procedures.services.continuing import go_on_by_itself
from tests.engine.going_on import SAFE, Story, driven, lost, on, row, story
from tests.engine.test_runs import procedure
from tests.evidence.conftest import Log
from tests.factories.standing import until
from tests.standing.conftest import MINUTELY, Plant, due, last, lent, said, swept

pytestmark = pytest.mark.ordinary
__all__ = ["story"]
FOLLOWS = ["succeeded", "interrupted"]


@pytest.fixture
def whole(plant: Plant, story: Story, settings: object) -> Plant:
    """The plant, with a procedure of two steps, the second of which may be done twice."""
    settings.OPSPORTAL_HEARTBEAT_S = 60  # type: ignore[attr-defined]
    procedure(plant.world, "whole", row("a"), row("b", SAFE))
    for who in (plant.robot, plant.olga):
        plant.world.may(who, "run", "view", procedure="whole", expires_at=until(29))
    plant.version = Version.objects.get(procedure__name="whole")
    return plant


def nightly(plant: Plant, **more: object) -> Standing:
    return plant.sets("schedule", plant.schedule(procedure="whole", parameters={"word": "x"}, when=MINUTELY, **more))


def follower(plant: Plant, outcomes: list[str] = FOLLOWS) -> Standing:
    """One of the greeting, which follows runs of the two steps."""
    hello = Version.objects.get(procedure__name="hello")
    made = plant.schedule(name="after", digest=hello.digest, when={"after": "whole", "outcomes": outcomes})
    return plant.sets("schedule", made)


def fired(row: Standing) -> Run:
    assert swept(due(row)) == 1
    found = last(row).run
    assert found is not None
    return found


def gone_on(run: Run) -> Run:
    assert go_on_by_itself(at=now() + timedelta(seconds=31)) == 1
    return Run.objects.get(continues=run)


def test_what_goes_on_by_itself_is_the_same_fire_s_and_stands_by_what_was_signed(whole: Plant, story: Story) -> None:
    run = lost(fired(nightly(whole)), story, "b")
    later = gone_on(run)
    assert (later.door, later.requester, later.of_fire) == ("sweeper", whole.robot, run.of_fire)
    first, second = said("run.requested")
    assert first["standing"] == second["standing"]
    assert lent(later) == ()
    [shown] = history(Standing.objects.get(name="nightly"))
    assert [one.no for one in shown.went_on] == [later.no]  # type: ignore[attr-defined]
    assert driven(later).state == "succeeded"
    again = lost(on(lost(fired(Standing.objects.get(name="nightly")), story, "b")), story, "b")
    assert lent(on(again)) == (), "and so is the third in the row"


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_nothing_starts_beside_what_was_interrupted_and_goes_on(whole: Plant, story: Story, overlap: str) -> None:
    schedule = nightly(whole, overlap=overlap)
    run = lost(fired(schedule), story, "b")
    assert run.resume_at is not None
    swept(due(schedule))
    was = last(schedule)
    assert (was.outcome, f"#{run.no}" in was.why) == ("skipped" if overlap == "skip" else "waiting", True)
    later = gone_on(run)
    swept(due(schedule))
    assert Run.objects.filter(door="schedule").count() == 1
    assert f"Run #{later.no} is still under way" in last(schedule).why or overlap == "queue"
    assert driven(later).state == "succeeded"
    swept(due(schedule))
    assert Run.objects.filter(door="schedule").count() == 2


def test_an_interruption_that_it_goes_on_from_is_no_end_and_the_end_is_followed_once(
    whole: Plant, story: Story
) -> None:
    after = follower(whole)
    run = lost(fired(nightly(whole)), story, "b")
    second = lost(gone_on(run), story, "b")
    assert swept(now()) == 0
    assert not after.fires.exists()
    third = driven(gone_on(second))
    assert third.state == "succeeded"
    assert swept(now()) == 1
    assert [one.followed for one in after.fires.all()] == [third]
    found = after.fires.get().run
    assert found is not None
    assert lent(found) == ()
    assert Fire.objects.filter(standing=after).count() == 1


def test_what_the_portal_does_not_go_on_with_ended_when_it_was_interrupted(whole: Plant, story: Story) -> None:
    after = follower(whole)
    run = lost(fired(nightly(whole)), story, "a")
    assert run.resume_at is None, "the step may not be done twice"
    assert [one.followed for one in after.fires.all()] == [run]
    swept(now())
    found = after.fires.get().run
    assert found is not None
    assert lent(found) == ()


def test_what_is_refused_in_the_end_ended_then_and_once(whole: Plant, story: Story) -> None:
    after, schedule = follower(whole), nightly(whole)
    run = lost(fired(schedule), story, "b")
    standing_states.pause(actor=whole.olga, kind="schedule", name="nightly", reason="holidays", at=now())
    assert go_on_by_itself(at=now() + timedelta(seconds=31)) == 0
    assert not Run.objects.filter(continues=run).exists(), "it is paused"
    assert [one.followed for one in after.fires.all()] == [run]
    assert go_on_by_itself(at=now() + timedelta(seconds=32)) == 0
    by_hand = on(run, actor=whole.olga)
    assert (by_hand.of_fire, by_hand.requester) == (run.of_fire, whole.olga)
    assert ("olga", "editor") in set(by_hand.chain.values_list("person__username", "role"))
    assert lent(by_hand) == (), "a person may all the same, and stands behind it beside the others"
    assert driven(by_hand).state == "succeeded"
    assert {one.followed for one in after.fires.all()} == {run, by_hand}


def test_what_never_began_leaves_the_work_interrupted(whole: Plant, story: Story) -> None:
    after = follower(whole)
    run = lost(fired(nightly(whole)), story, "b")
    Stop.objects.create(environment_id="development", reason="x", thrown_by=whole.world.mira, thrown_at=now())
    later = gone_on(run)
    assert later.state == "denied"
    Stop.objects.update(lifted_at=now())
    assert [one.followed for one in after.fires.all()] == [run]
    swept(now())
    found = after.fires.get().run
    assert found is not None
    assert lent(found) == ()


def test_its_time_is_over_before_it_went_on(whole: Plant, story: Story) -> None:
    after = follower(whole)
    run = lost(fired(nightly(whole)), story, "b")
    assert go_on_by_itself(at=now() + timedelta(hours=1)) == 0
    assert [one.followed for one in after.fires.all()] == [run]


@pytest.mark.parametrize("what", ["paused", "anew", "ended", "left"])
def test_nothing_goes_on_by_itself_of_what_no_longer_stands(whole: Plant, story: Story, what: str) -> None:
    schedule = nightly(whole)
    run = lost(fired(schedule), story, "b")
    if what == "paused":
        standing_states.pause(actor=whole.olga, kind="schedule", name="nightly", reason="x", at=now())
    elif what == "anew":
        nightly(whole, late="run_once")
    elif what == "left":
        Person.objects.filter(pk=schedule.edited_by_id).update(is_active=False)
    else:
        ends = {"kind": "schedule", "name": "nightly", "procedure": "whole", "environment": "development"}
        whole.world.propose("standing_end", {**ends, "reason": "over"}, by=whole.olga)
    assert go_on_by_itself(at=now() + timedelta(seconds=31)) == 0
    assert not Run.objects.filter(continues=run).exists()


# From here on whoever attacks writes to the tables, and to the log whatever needs nobody's signature.


def test_the_issuer_lends_nothing_to_what_went_on_by_itself_after_the_schedule_was_paused(
    whole: Plant, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lost(fired(nightly(whole)), story, "b")
    standing_states.pause(actor=whole.olga, kind="schedule", name="nightly", reason="x", at=now())
    monkeypatch.setattr("procedures.queries.standing.why_lapsed", lambda *_: "")
    with pytest.raises(LeaseRefused, match="was paused when"):
        lent(gone_on(run))


def test_a_continuation_that_leaves_its_schedule_out_is_lent_nothing(
    whole: Plant, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out, nobody behind the schedule would stand behind the run any more."""
    run = lost(fired(nightly(whole)), story, "b")
    monkeypatch.setattr("procedures.services.continuing._standing_of", lambda _: {})
    with pytest.raises(LeaseRefused, match="names no schedule or hook"):
        lent(gone_on(run))


def test_a_second_one_that_goes_on_with_the_same_run_is_lent_nothing(
    whole: Plant, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lost(fired(nightly(whole)), story, "b")
    assert driven(gone_on(run)).state == "succeeded"
    monkeypatch.setattr("procedures.services.continuing.refusal", lambda _: None)
    with pytest.raises(LeaseRefused, match="Another run went on already"):
        lent(on(run, door="sweeper"))


def test_a_follower_of_the_interruption_in_between_is_lent_nothing(whole: Plant, story: Story) -> None:
    after = follower(whole, ["interrupted"])
    run = lost(fired(nightly(whole)), story, "b")
    assert driven(gone_on(run)).state == "succeeded"
    assert not after.fires.exists()
    Fire.objects.create(standing=after, followed=run, planned_at=now(), at=now(), outcome="waiting")
    swept(now())
    found = after.fires.get().run
    assert found is not None
    with pytest.raises(LeaseRefused, match="does not follow the run"):
        lent(found)


def test_a_pack_of_what_went_on_says_nothing_against_it(whole: Plant, story: Story, tmp_path: Path) -> None:
    rules = {"name": "development", "title": "Development", "position": 1, "production": True, "drafts": False}
    rules |= {"approvals": {}, "min_strength": "session", "approval_expiry_s": 3600, "reason_required": False}
    whole.world.confirmed("environment", rules)
    run = lost(fired(nightly(whole)), story, "b")
    later = driven(gone_on(run))
    assert later.state == "succeeded", later.message
    log = Log(whole.world, Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published"), later)
    told = [one["why"] for one in verify.verify(log.pack(), log.key)["asserted"]]
    assert "no signed schedule or hook asked for this" not in told
