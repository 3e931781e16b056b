"""A disk that is full: a run does not begin, waits in the middle until there is room, or ends in the truth."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Run
from procedures.runner import drive as driving
from procedures.services import endings
from tests.engine.going_on import SAFE, Step, Story, driven, row, story
from tests.engine.test_runs import procedure
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase

pytestmark = [pytest.mark.once, pytest.mark.figures]
__all__ = ["story"]


@dataclass(slots=True)
class Disk:
    """A small disk of its own, which can be filled to the last byte."""

    folder: Path

    @property
    def filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        with self.filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 512)
            except OSError:
                return

    def free(self) -> None:
        self.filler.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Needs root, as the gate has it; where it cannot be had the test fails and says why."""
    argv = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"a small disk cannot be made: {done.stderr.strip()}"
    try:
        yield Disk(tmp_path)
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.fixture
def world(disk: Disk, fresh_database: FreshDatabase, settings: Any) -> World:
    settings.OPSPORTAL_HEARTBEAT_S = 60
    settings.OPSPORTAL_DATABASE_BOUND_S = 2
    return new_world()


def asked(world: World) -> Run:
    return world.ask(procedure(world, "whole", row("a", SAFE), row("b", SAFE)), procedure="whole")


def test_nothing_begins_that_cannot_be_recorded(world: World, disk: Disk, story: Story) -> None:
    run = asked(world)
    disk.fill()
    with pytest.raises(OperationalError, match="full"):
        driving.drive(run.id)
    disk.free()
    run.refresh_from_db()
    assert (run.state, story.took()) == ("queued", [])
    assert (driven(run).state, story.took()) == ("succeeded", ["a", "b"])


def fills(monkeypatch: pytest.MonkeyPatch, disk: Disk, free_after_s: float) -> None:
    """The disk is full from the first step on, and has room again after a while."""
    real = Step.run

    def filling(self: Step, *args: Any) -> Any:
        if not self.story.executed:
            disk.fill()
            threading.Timer(free_after_s, disk.free).start()
        return real(self, *args)

    monkeypatch.setattr(Step, "run", filling)


def test_a_run_waits_for_room_and_records_each_thing_once(
    world: World, disk: Disk, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asked(world)
    fills(monkeypatch, disk, 1.0)
    assert (driven(run).state, story.took()) == ("succeeded", ["a", "b"])
    kinds = list(Event.objects.filter(run=run.id).order_by("n").values_list("kind", flat=True))
    assert [kinds.count(kind) for kind in ("step.intent", "task.finished", "run.finished")] == [2, 2, 1]


def test_a_disk_that_stays_full_ends_the_run_in_the_truth(
    world: World, disk: Disk, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asked(world)
    fills(monkeypatch, disk, 30.0)
    with pytest.raises(OperationalError, match="full"):
        driving.drive(run.id)
    disk.free()
    assert endings.interrupt_lost(at=now() + timedelta(minutes=1)) == [run.id]
    run.refresh_from_db()
    assert (run.state, story.took()) == ("interrupted", ["a"])
    assert "outcome is unknown" in run.message
