"""Runs that are lost or fail in a step that a test names, and what was executed, for tests of going on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from procedures.definitions import registry
from procedures.domain.clock import now
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult
from procedures.models import Run
from procedures.runner import drive as driving
from procedures.services import endings
from procedures.services.continuing import GoOn, continue_run
from tests.factories.portal import World

SAFE = ", idempotent: true"


class Killed(BaseException):
    """The runner is gone, in the middle of what it did."""


@dataclass
class Story:
    """What was executed, with what; `dies` and `fails` name steps, or `step@target`."""

    executed: list[str] = field(default_factory=list)
    inputs: list[Mapping[str, Any]] = field(default_factory=list)
    dies: str = ""
    fails: str = ""

    def took(self) -> list[str]:
        """What was executed since this was asked last."""
        found, self.executed = self.executed, []
        return found


class Step(Action):
    """Writes down that it ran; dies or fails where the story says so."""

    id: ClassVar[str] = "test:story"
    summary: ClassVar[str] = "Writes its name down."
    input_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}

    def __init__(self, story: Story) -> None:
        self.story = story

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {"step": call.step}

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        name = f"{call.step}@{call.target.name}" if call.target else call.step
        self.story.executed.append(name)
        self.story.inputs.append(call.input)
        if name == self.story.dies:
            raise Killed
        return ActionResult("failed" if name == self.story.fails else "succeeded", output={"by": name})


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    made = Story()
    monkeypatch.setitem(registry.actions(), "test:story", Step(made))  # type: ignore[arg-type]
    marks = registry.action_marks() | {"test:story": "opsportal:test"}
    monkeypatch.setattr(registry, "action_marks", lambda: marks)
    return made


def row(id: str, more: str = "") -> str:
    return f"{{id: {id}, action: 'test:story', timeout: 20s{more}}}"


def lost(run: Run, story: Story, step: str) -> Run:
    """Drive a run whose runner dies in that step; the sweeper has found out."""
    story.dies = step
    with pytest.raises(Killed):
        driving.drive(run.id)
    story.dies = ""
    assert endings.interrupt_lost(at=now() + timedelta(seconds=50)) == [run.id]
    run.refresh_from_db()
    assert run.state == "interrupted"
    return run


def failed(run: Run, story: Story, step: str) -> Run:
    story.fails = step
    driving.drive(run.id)
    story.fails = ""
    run.refresh_from_db()
    assert run.state == "failed", run.message
    return run


def on(run: Run, **more: Any) -> Run:
    return continue_run(actor=more.pop("actor", run.requester), run=run.pk, how=GoOn(**more), at=now())


def driven(run: Run) -> Run:
    driving.drive(run.id)
    run.refresh_from_db()
    return run


def quorum(world: World, **more: Any) -> None:
    """Development asks for one approval of low risk, as a signed change says."""
    said = {
        "name": "development",
        "title": "Development",
        "position": 1,
        "production": False,
        "drafts": True,
        "approvals": {"low": {"operations": 1}},
        "min_strength": "session",
        "approval_expiry_s": 3600,
        "reason_required": False,
    }
    world.confirmed("environment", said | more)
