"""Schedules fire once for each planned moment; what is missed, overlaps or is refused is said."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.states import RunState
from procedures.models import Environment, Fire, Notice, Person, Procedure, Run, Standing, Stop
from procedures.runner.drive import drive
from procedures.services import leavers, run_states, standing_states
from procedures.services.sweeping import sweep
from tests.factories.standing import until
from tests.factories.transitions import unevidenced
from tests.standing.conftest import MINUTELY, Plant, due, last, said, swept

SECOND = timedelta(seconds=1)


def ended(run: Run, state: RunState = RunState.FAILED) -> None:
    """The run goes through its states to an end, as a runner would move it."""
    run.refresh_from_db()
    with unevidenced():  # no runner claims it here
        run_states.move(run, RunState.RUNNING, at=now(), who="runner")
    facts = {"plan_digest": run.plan_digest, "dsse": {}}
    run_states.end(run, state, at=now(), actor=None, who="runner", facts=facts)


@pytest.mark.once
def test_a_schedule_asks_by_its_account_and_names_everybody_behind_it(plant: Plant) -> None:
    row = plant.sets("schedule", plant.schedule())
    at = due(row)
    assert sweep(at=at)["fires"] == 1
    run = Run.objects.get(door="schedule")
    assert (run.requester, run.digest, run.parameters) == (plant.robot, plant.version.digest, {"name": "world"})
    roles = set(run.chain.values_list("person__username", "role"))
    assert {("robot", "requester"), ("olga", "owner"), ("olga", "creator"), ("olga", "editor")} <= roles
    [told] = said("run.requested")
    assert told["standing"]["planned_at"] == moment(at - SECOND)
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "succeeded"


def test_a_planned_moment_is_asked_for_once_whatever_sweeps_and_wherever_the_clock_goes(plant: Plant) -> None:
    row = plant.sets("schedule", plant.schedule(overlap="queue"))
    at = due(row)
    assert swept(at) == 1
    assert swept(at) == swept(at + SECOND) == swept(at - timedelta(days=2)) == 0
    Standing.objects.filter(pk=row.pk).update(next_at=at - SECOND)  # a second sweeper that read before the first wrote
    assert swept(at) == 0, "the row of the moment is there"
    assert Run.objects.count() == Fire.objects.count() == 1


def test_a_request_that_dies_leaves_nothing_and_is_made_by_the_next_sweep(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = plant.sets("schedule", plant.schedule())
    at = due(row)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("procedures.services.runs.run_groups.allow", dies)
        with pytest.raises(KeyboardInterrupt):
            swept(at)
    assert not Run.objects.exists()
    assert not Fire.objects.exists()
    assert swept(at + SECOND) == 1
    assert Run.objects.get().no == 1, "numbers have no gap"


@pytest.mark.once
@pytest.mark.parametrize(("late", "runs"), [("skip", 0), ("run_once", 1)])
def test_moments_that_nobody_was_there_for_are_found_and_told_and_run_at_most_once(
    plant: Plant, late: str, runs: int
) -> None:
    row = plant.sets("schedule", plant.schedule(when=MINUTELY, late=late))
    first = due(row) - SECOND
    Standing.objects.filter(pk=row.pk).update(object={**row.object, "when": {"cron": "0 * * * *", "zone": "UTC"}})
    Standing.objects.filter(pk=row.pk).update(next_at=first.replace(minute=0) - timedelta(hours=2))
    at = first.replace(minute=30) + timedelta(hours=1)
    assert swept(at) == 1
    fire = last(row)
    assert (fire.outcome, fire.missed) == ("asked" if runs else "missed", 3)
    [told] = said("standing.missed")
    assert (told["count"], told["late"]) == (4, late)
    assert Run.objects.count() == runs
    assert Notice.objects.get(kind="standing.missed").person == plant.olga
    row.refresh_from_db()
    assert row.next_at == first.replace(minute=0) + timedelta(hours=2)


@pytest.mark.once
@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_a_run_still_under_way_is_waited_for_or_said(plant: Plant, overlap: str) -> None:
    row = plant.sets("schedule", plant.schedule(when=MINUTELY, overlap=overlap))
    at = due(row)
    swept(at)
    first = Run.objects.get()
    swept(at := due(row))
    assert last(row).outcome == ("skipped" if overlap == "skip" else "waiting")
    assert f"#{first.no}" in last(row).why
    swept(at := due(row))
    assert last(row).outcome == "skipped", "one waits at most"
    ended(first)
    swept(at + SECOND)
    assert Run.objects.count() == (1 if overlap == "skip" else 2)


@pytest.mark.once
def test_once_fires_once_and_stands_no_more(plant: Plant) -> None:
    soon = now() + timedelta(minutes=5)
    row = plant.sets("schedule", plant.schedule(when={"at": moment(soon)}))
    assert swept(soon - SECOND) == 0
    assert swept(soon) == 1
    row.refresh_from_db()
    assert row.next_at is None
    assert swept(soon + timedelta(days=1)) == 0


@pytest.mark.once
def test_after_another_run_ended_so_in_the_same_environment(plant: Plant) -> None:
    plant.world.accepted("collect-diagnostics")
    made = plant.schedule(when={"after": "hello", "outcomes": ["failed"]})
    with pytest.raises(InvalidInput, match="round in a circle"):
        plant.sets("schedule", made)
    before = Procedure.objects.get(name="collect-diagnostics")
    row = plant.sets("schedule", {**made, "when": {"after": before.name, "outcomes": ["failed"]}})
    run = plant.world.ask(plant.olga)  # stands in for one of the other procedure
    Run.objects.filter(pk=run.pk).update(procedure=before)
    ended(run, RunState.FAILED)
    assert last(row).outcome == "waiting"
    assert swept(now()) == 1
    follower = Run.objects.get(door="schedule")
    assert ("olga", "trigger") in set(follower.chain.values_list("person__username", "role"))
    assert said("run.requested")[-1]["standing"]["followed"] == str(run.pk)
    assert swept(now()) == 0
    again = plant.world.ask(plant.olga)
    ended(again, RunState.FAILED)
    assert row.fires.count() == 1, "another procedure's run is none of its"


@pytest.mark.once
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"expires_at": until(366)}, "more than 365 days away"),
        ({"expires_at": until(-1)}, "is over"),
        ({"digest": "sha256:" + "1" * 64}, "not the accepted version"),
        ({"parameters": {}}, "signed whole"),
        ({"parameters": {"name": ""}}, "parameters/name"),
        ({"parameters": {"name": "x", "environment": "production"}}, "parameters"),
        ({"when": {"cron": "0 0 31 2 *", "zone": "UTC"}}, "no cron expression"),
        ({"when": {"cron": "0 0 * * *", "zone": "Mars/Olympus"}}, "no time zone"),
        ({"when": {"at": "2020-01-01T00:00:00.000000Z"}}, "is over"),
        ({"when": {"cron": "0 0 * * *", "zone": "UTC", "at": "2099-01-01T00:00:00.000000Z"}}, "when"),
        ({"targets": ["web-1"]}, "acts on no targets"),
        ({"account": "0190a0a0-0000-7000-8000-000000000000"}, "no open service account"),
    ],
)
def test_what_a_schedule_may_not_say_is_told_by_its_field(plant: Plant, wrong: dict[str, object], why: str) -> None:
    with pytest.raises((InvalidInput, NotAllowed)) as refused:
        plant.world.propose("schedule", plant.schedule(**wrong))
    told = refused.value
    assert why in f"{getattr(told, 'problems', '')}{told}"
    assert not Standing.objects.exists()


@pytest.mark.once
def test_it_pauses_itself_after_five_refusals_in_a_row_and_says_so(plant: Plant) -> None:
    row = plant.sets("schedule", plant.schedule(when=MINUTELY))
    stop = Stop.objects.create(environment_id="development", reason="x", thrown_by=plant.world.mira, thrown_at=now())
    for count in range(1, 6):
        at = due(row)
        swept(at)
        assert said("standing.refused")[-1]["in_a_row"] == count
    row.refresh_from_db()
    assert row.paused_at is not None
    assert "5 times in a row: development is stopped" in row.paused_why
    assert not Run.objects.exists()
    assert Notice.objects.filter(person=plant.olga, kind="standing.refused").count() == 5
    assert Notice.objects.filter(person=plant.olga, kind="standing.paused").count() == 1
    assert swept(at + timedelta(hours=1)) == 0
    Stop.objects.filter(pk=stop.pk).update(lifted_at=now())
    standing_states.resume(actor=plant.olga, kind="schedule", name="nightly", reason="open again", at=at)
    assert swept(due(row)) == 1
    assert Run.objects.count() == 1
    row.refresh_from_db()
    assert row.refusals == 0


@pytest.mark.once
def test_a_grant_that_is_over_and_a_freeze_refuse_it(plant: Plant) -> None:
    row = plant.sets("schedule", plant.schedule(when=MINUTELY))
    swept(at := due(row) + timedelta(days=31))
    assert last(row).outcome == "missed", "nobody was there for a month"
    Standing.objects.filter(pk=row.pk).update(next_at=at.replace(second=0, microsecond=0))
    swept(at.replace(second=1))
    assert said("standing.refused")[-1]["code"] == "access.denied"
    assert "No grant lets robot run hello" in last(row).why
    Environment.objects.filter(pk="development").update(frozen_until_at=at + timedelta(days=9))
    swept(due(row))
    assert "is frozen until" in last(row).why


@pytest.mark.once
def test_another_accepted_version_stops_it_at_its_next_fire_and_a_re_pin_is_prepared(plant: Plant) -> None:
    from procedures.queries.standing import repinned

    row = plant.sets("schedule", plant.schedule())
    assert repinned(row, now()) is None
    adam = plant.world.person("adam")
    plant.world.may(adam, "author", procedure="hello")
    newer = plant.world.submit(adam, README__md=b"Newer.\n")
    plant.world.review(plant.world.mira, newer, "operations", "security", signed=True)
    newer.refresh_from_db()
    assert newer.state == "accepted"
    assert Notice.objects.filter(person=plant.olga, kind="standing.superseded").count() == 1
    swept(due(row))
    row.refresh_from_db()
    assert (last(row).outcome, row.paused_at is not None, Run.objects.count()) == ("refused", True, 0)
    prepared = repinned(row, now())
    assert prepared is not None
    assert prepared == {**row.object, "digest": newer.digest}
    plant.version = newer
    row = plant.sets("schedule", {**prepared, "when": MINUTELY})
    assert row.paused_at is None
    assert swept(due(row)) == 1
    assert Run.objects.get().digest == newer.digest


@pytest.mark.once
def test_whoever_stands_behind_it_or_operates_pauses_and_resumes_it_and_nobody_else(plant: Plant) -> None:
    row = plant.sets("schedule", plant.schedule())
    otto, quinn = plant.world.person("otto"), plant.world.person("quinn")
    plant.world.may(otto, "operate", "view", environments=["development"])
    plant.world.may(quinn, "view", "run", procedure="hello")
    named = {"kind": "schedule", "name": "nightly", "reason": "a test"}
    with pytest.raises(NotAllowed, match="Whoever stands behind nightly"):
        standing_states.pause(actor=quinn, at=now(), **named)
    for one in (otto, plant.olga):
        standing_states.pause(actor=one, at=now(), **named)
        with pytest.raises(standing_states.AlreadySo):
            standing_states.pause(actor=one, at=now(), **named)
        assert swept(due(row)) == 0
        standing_states.resume(actor=one, at=now(), **named)
    with pytest.raises(NotAllowed, match="A bearer token"):
        standing_states.resume(actor=otto, at=now(), bearer=True, **named)


@pytest.mark.once
def test_when_whoever_set_it_leaves_it_pauses_and_managers_are_told(plant: Plant) -> None:
    row = plant.sets("schedule", plant.schedule())
    leavers.close_person(actor=plant.world.mira, person=plant.olga.subject, at=now())
    row.refresh_from_db()
    assert row.paused_why.startswith("olga left")
    assert said("person.closed")[-1]["standing"] == ["schedule nightly"]
    assert Notice.objects.filter(person=plant.world.mira, kind="standing.orphaned").count() == 1
    with pytest.raises(NotAllowed, match="has left: set it anew"):
        standing_states.resume(actor=plant.world.mira, kind="schedule", name="nightly", reason="x", at=now())
    ned = plant.world.person("ned", key=True)
    plant.world.account(ned, "robot")
    plant.world.may(Person.objects.get(username="robot"), "run", procedure="hello")
    row = plant.sets("schedule", plant.schedule(), by=plant.world.mira)
    assert swept(due(row)) == 1
    assert last(row).outcome == "asked"
