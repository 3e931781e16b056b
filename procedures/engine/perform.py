"""One step of a run where it has not run yet: its condition, its gate, its call, or its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from procedures.domain import expressions, plan
from procedures.domain.calls import CALL
from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.errors import OpsError
from procedures.domain.plan import Unit
from procedures.domain.states import TaskState
from procedures.domain.waits import WaitRefused
from procedures.engine.gates import pass_gate
from procedures.engine.sharing import is_worth_sharing, run_shared
from procedures.engine.step import record_task, refuse_step, run_step
from procedures.engine.tools import Place
from procedures.models import Task
from procedures.services import tasks

if TYPE_CHECKING:
    from procedures.engine.drive import Drive

GOOD = {"succeeded", "skipped"}


def on_targets(drive: Drive, step: Step) -> bool:
    """Whether a step runs once per target of a batch, and not once in the run."""
    return plan.on_targets(step, drive.tools.actions[step.action])


def perform(drive: Drive, step: Step, place: Place, names: list[str], *, also_lost: bool = False) -> list[Task]:
    """Run one step where it has not run yet; the tasks that went wrong."""
    once = not on_targets(drive, step)
    if once and place.batch > 0 and place.phase == "steps":
        return []
    out = set(drive.excluded) if also_lost else drive.lost_targets | set(drive.excluded)
    here = [drive.targets[n] for n in names if n not in out]
    scope = plan.scope_for(drive.definition, drive.claimed.ask, steps=drive.outputs(), secrets=drive.tools.secrets)
    wanted = plan.units(step, drive.tools.actions[step.action], here, scope)
    old = [drive.done[key] for unit in wanted if (key := key_of(step, place, unit)) in drive.done]
    left = [unit for unit in wanted if key_of(step, place, unit) not in drive.done]
    fresh = _fresh(drive, step, place, left, scope) if left else {}
    return [task for task in [*old, *fresh.values()] if task.state not in GOOD]


def key_of(step: Step, place: Place, unit: Unit) -> tuple[str, str, int, str]:
    """By what a frame knows a task of its own that has ended."""
    return (place.phase, step.id, place.batch, unit.label)


def _fresh(drive: Drive, step: Step, place: Place, units: list[Unit], scope: Mapping[str, Any]) -> dict[str, Task]:
    try:
        wanted = step.condition is None or bool(expressions.evaluate(step.condition, scope))
    except OpsError as problem:
        return _kept(drive, step, place, refuse_step(drive.tools, step, place, units, problem))
    if not wanted:
        for unit in units:
            tasks.skip(
                run=drive.claimed.run.id,
                token=drive.claimed.token,
                phase=place.phase,
                step=drive.tools.prefix + step.id,
                target=unit.label,
                position=place.position,
                batch=place.batch,
                why="its condition is false",
                at=now(),
            )
            drive.done[key_of(step, place, unit)] = Task(
                step=step.id, target=unit.label, state=TaskState.SKIPPED.value, output={}
            )
        return {}
    if drive.tools.actions[step.action].gate:
        try:
            pass_gate(drive, step, place, scope)
        except WaitRefused as problem:
            refused = refuse_step(drive.tools, step, place, units, problem, why="It cannot go on")
            return _kept(drive, step, place, refused)
        return {}
    if step.action == CALL:
        return _kept(drive, step, place, {"": _call(drive, step, place)})
    shared = is_worth_sharing(drive.tools, drive.tools.actions[step.action], units)
    return _kept(drive, step, place, (run_shared if shared else run_step)(drive.tools, step, place, units, scope))


def _kept(drive: Drive, step: Step, place: Place, fresh: dict[str, Task]) -> dict[str, Task]:
    for name, task in fresh.items():
        task.step = step.id
        drive.done[place.phase, step.id, place.batch, name] = task
    return fresh


def _call(drive: Drive, step: Step, place: Place) -> Task:
    """Drive what a step calls, under its own limits; its ending is this step's. Raises Parked at a gate."""
    inner = type(drive)(drive.tools.within(f"{drive.tools.prefix}{step.id}/"))
    inner.root = drive.root
    return record_task(drive.tools, step, place, inner.as_step())
