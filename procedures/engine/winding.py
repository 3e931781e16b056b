"""Winds a run up whose ending was decided while no runner had it: rollback or onCancel where due, then `always`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procedures.domain.calls import CALL
from procedures.domain.definition import Step
from procedures.domain.ports import ActionResult, Outcome
from procedures.domain.states import RunState
from procedures.engine.step import record_task
from procedures.engine.tools import Place

if TYPE_CHECKING:
    from procedures.engine.drive import Drive

OUTCOMES: dict[RunState, Outcome] = {RunState.CANCELED: "canceled", RunState.TIMED_OUT: "timed_out"}


def wind_up(drive: Drive, ending: RunState) -> None:
    """Carry out what is owed in the batch that was under way, the calls under way in it first."""
    begun = [batch for phase, _, batch, _ in drive.done if phase == "steps"]
    open_call = next((place for place in enumerate(drive.definition.steps) if _is_open(drive, place[1])), None)
    if not begun and open_call is None:
        return
    index = max(begun, default=0)
    names = drive.batches[index]
    if open_call is not None:
        _inside(drive, open_call[0], open_call[1], index, ending)
    if ending is RunState.FAILED and _gate(drive).on_failure == "rollback":
        drive.branch("rollback", index, names)
    if ending is RunState.CANCELED:
        drive.branch("onCancel", index, names)
    drive.branch("always", index, names)


def _is_open(drive: Drive, step: Step) -> bool:
    """Whether a call began and has no task of its own yet."""
    inner = f"{drive.tools.prefix}{step.id}/"
    over = any(phase == "steps" and name == step.id for phase, name, _, _ in drive.done)
    return step.action == CALL and not over and drive.claimed.run.tasks.filter(step__startswith=inner).exists()


def _inside(drive: Drive, position: int, step: Step, index: int, ending: RunState) -> None:
    inner = type(drive)(drive.tools.within(f"{drive.tools.prefix}{step.id}/"))
    wind_up(inner, ending)
    result = ActionResult(OUTCOMES.get(ending, "failed"), message=drive.claimed.run.message[:2000])
    task = record_task(drive.tools, step, Place("steps", position, index), result)
    task.step = step.id
    drive.done["steps", step.id, index, ""] = task


def _gate(drive: Drive) -> Step:
    """The step of this frame at which the run stood: the first that has no task."""
    over = {name for phase, name, _, _ in drive.done if phase == "steps"}
    left = [step for step in drive.definition.steps if step.id not in over]
    return left[0] if left else drive.definition.steps[-1]
