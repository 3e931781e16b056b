"""A database that goes away and comes back: writes are tried again and recorded once, output waits, nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from types import ModuleType
from typing import Any

import pytest
from django.db import OperationalError

from procedures.domain.clock import now
from procedures.domain.masking import Masker
from procedures.engine import draining, output
from procedures.engine.output import DROPPED, RunOutput
from procedures.engine.spool import Spool
from procedures.engine.watch import Watch
from procedures.evidence.models import Event
from procedures.models import LeaseRecord, LogChunk, Run
from procedures.runner.drive import drive
from procedures.runner.tasks import drive_run
from procedures.services import endings, leases, steady, tasks
from procedures.services.steady import steadily
from procedures.services.tasks import Line
from tests.engine.going_on import SAFE, Step, Story, driven, on, row, story
from tests.engine.test_plain_key import Place, place
from tests.engine.test_runs import procedure, shell, steps, text
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary
__all__ = ["place", "story"]
GONE = "server closed the connection unexpectedly"
KINDS = ["run.requested", "run.planned", "run.queued", "run.claimed"]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "FIRST_S", 0.001)
    monkeypatch.setattr(output, "RETRY_EVERY_S", 0.01)


@pytest.fixture(autouse=True)
def no_drain() -> Iterator[None]:
    yield
    draining.end()


def answers_lost(monkeypatch: pytest.MonkeyPatch, where: ModuleType, name: str) -> list[int]:
    """Each write is done and committed, and then its answer does not arrive, the first time it is tried."""
    real: Callable[..., Any] = getattr(where, name)
    tried: list[int] = []

    def lost(*args: Any) -> Any:
        tried.append(1)
        found = real(*args)
        if len(tried) % 2:
            raise OperationalError(GONE)
        return found

    monkeypatch.setattr(where, name, lost)
    return tried


WRITES = [(tasks, "_begin"), (tasks, "_finish"), (tasks, "_skip"), (endings, "_finish_run"), (endings, "_wait_at_gate")]


@pytest.mark.parametrize(("where", "name"), WRITES, ids=[name for _, name in WRITES])
def test_what_was_committed_before_the_answer_was_lost_is_recorded_once(
    world: World, monkeypatch: pytest.MonkeyPatch, where: ModuleType, name: str
) -> None:
    never = shell("two", "true", ", if: '${{ parameters.word == \"y\" }}'")
    wait = "{id: three, action: 'gate:wait', input: {for: 1s}}"
    quinn = procedure(world, "plain", shell("one", "echo hello"), never, wait)
    run = world.ask(quinn, procedure="plain")
    tried = answers_lost(monkeypatch, where, name)
    drive_run(str(run.pk))
    time.sleep(1)
    endings.expire_overdue(at=now())
    drive_run(str(run.pk))
    run.refresh_from_db()
    assert tried
    assert (run.state, text(run)) == ("succeeded", "hello\n")
    assert list(Event.objects.filter(run=run.id).order_by("n").values_list("kind", flat=True)) == [
        *KINDS,
        "step.intent",
        "task.finished",
        "task.skipped",
        "task.skipped",
        "run.waiting",
        "run.queued",
        "run.claimed",
        "run.finished",
    ]
    assert run.tasks.count() == 3


def test_a_lease_is_recorded_once_and_given_back_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = leases.issued
    told: list[int] = []

    def lost(**said: Any) -> bool:
        found = real(**said)
        told.append(1)
        if len(told) == 1:
            raise OperationalError(GONE)
        return found

    monkeypatch.setattr(leases, "issued", lost)
    answers_lost(monkeypatch, leases, "_revoked")
    place.seal()
    place.furnish()
    run = place.run()
    assert run.state == "succeeded", run.message
    kinds = list(
        Event.objects.filter(run=run.id, kind__startswith="lease.").order_by("n").values_list("kind", flat=True)
    )
    assert kinds == ["lease.intent", "lease.issued", "lease.revoked"]
    assert LeaseRecord.objects.get().state == "revoked"


def test_a_step_prints_on_while_the_database_is_away_and_all_of_it_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tried = tasks.append, []

    def away(**said: Any) -> int:
        """Gone for three tries; what the fourth commits is not answered."""
        tried.append(len(said["lines"]))
        if len(tried) <= 3:
            raise OperationalError(GONE)
        after = real(**said)
        if len(tried) == 4:
            raise OperationalError(GONE)
        return after

    script = "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.05; done"
    quinn = procedure(world, "plain", shell("one", script))
    run = world.ask(quinn, procedure="plain")
    monkeypatch.setattr(tasks, "append", away)
    drive(run.pk)
    run.refresh_from_db()
    assert (run.state, text(run)) == ("succeeded", "".join(f"line {i}\n" for i in range(30)))
    assert len(tried) > 4
    assert list(LogChunk.objects.order_by("seq").values_list("seq", flat=True)) == list(
        range(1, LogChunk.objects.count() + 1)
    )


def test_it_is_tried_until_the_bound_and_then_said(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def away() -> None:
        tried.append(1)
        raise OperationalError("database is locked")

    began = time.monotonic()
    with pytest.raises(OperationalError, match="locked"):
        steadily(away, bound_s=0.05)
    assert len(tried) > 2
    assert time.monotonic() - began < 2
    with pytest.raises(ValueError, match="mine"):
        steadily(lambda: int("mine"), bound_s=9)


def line(number: int) -> Line:
    return Line("one", "", "stdout", now(), f"{number:04}\n")


def test_what_waits_goes_to_disk_in_its_order_and_what_has_no_room_is_counted() -> None:
    spool = Spool(memory=50, disk=4000)
    for number in range(30):
        spool.add(line(number))
    taken = spool.take()
    spool.put_back(taken)
    found: list[str] = []
    while spool:
        found += [one.text for one in spool.take()]
        if len(found) == 20:
            spool.add(line(30))
    assert found == [f"{number:04}\n" for number in range(len(found))]
    assert len(found) in {30, 31}
    small = Spool(memory=5, disk=10)
    small.add(line(1))
    small.add(line(2))
    assert small.dropped == 5
    spool.close()


def test_output_that_had_no_room_is_told_in_the_log() -> None:
    stored: list[Line] = []
    away = True

    def store(lines: Any, masked: int, after: int) -> int:
        if away:
            raise OperationalError(GONE)
        stored.extend(lines)
        return after + len(lines)

    out = RunOutput(store, Masker())
    out._spool = Spool(memory=5, disk=10)
    out.add(line(1))
    out.add(line(2))
    away = False
    out.flush()
    assert [one.text for one in stored] == ["0001\n", DROPPED.format(5)]


def drains(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Step.run

    def told(self: Step, *args: Any) -> Any:
        draining.begin(60)
        return real(self, *args)

    monkeypatch.setattr(Step, "run", told)


def test_a_runner_that_is_told_to_stop_ends_its_step_and_another_goes_on(
    world: World, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = "  always:\n" + steps(row("tidy")) + "\n"
    run = world.ask(procedure(world, "whole", row("a"), row("b"), tail=tail), procedure="whole")
    with monkeypatch.context() as patch:
        drains(patch)
        assert driven(run).state == "queued"
    assert story.took() == ["a"]
    assert not hasattr(Run.objects.get(pk=run.pk), "claim")
    draining.end()
    assert (driven(run).state, story.took()) == ("succeeded", ["b", "tidy"])


def test_a_step_that_outlasts_the_drain_is_stopped_and_the_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    draining.begin(0)
    with Watch(lambda at: "", now().replace(year=2999), every_s=0.01, lost_after_s=9) as watch:
        assert watch.cancelled.wait(5)
    assert (watch.signal, "stopped before the step" in watch.why) == ("lost", True)


def test_a_database_that_is_away_too_long_stops_the_step_and_the_truth_is_written_when_it_is_back(
    world: World, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(at: datetime) -> Any:
        raise OperationalError(GONE)

    with Watch(away, now().replace(year=2999), every_s=0.01, lost_after_s=0.05) as watch:
        assert watch.cancelled.wait(5)
    assert "The database did not answer for" in watch.why
    run = world.ask(procedure(world, "whole", row("a"), row("b", SAFE)), procedure="whole")

    def lost(self: Step, call: Any, io: Any) -> Any:
        seen[0]._hear("lost")
        seen[0].why = watch.why
        return real(self, call, io)

    seen: list[Watch] = []
    real, entered = Step.run, Watch.__enter__

    def entering(self: Watch) -> Watch:
        seen.append(self)
        return entered(self)

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "__enter__", entering)
        patch.setattr(Step, "run", lost)
        assert driven(run).state == "interrupted"
    assert run.message == watch.why
    assert run.resume_at is not None
    story.took()
    assert (driven(on(run)).state, story.took()) == ("succeeded", ["b"])
