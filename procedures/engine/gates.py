"""Gates: the run waits without a runner until somebody answers, or until the time has come."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from procedures.domain import expressions, freeze, plan, waits
from procedures.domain.calls import Frame
from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.duration import seconds
from procedures.domain.errors import OpsError
from procedures.domain.waits import WaitRefused
from procedures.engine.step import record_answer
from procedures.engine.tools import Place
from procedures.models import Approval
from procedures.services import endings, gate_answers, tasks

if TYPE_CHECKING:
    from procedures.engine.drive import Drive


ASKS = "gate:input"


class Parked(Exception):
    """The run waits at a gate, or paused; this runner lets go of it."""


def pass_gate(drive: Drive, step: Step, place: Place, scope: Mapping[str, Any]) -> None:
    """Wait without a runner, unless the gate was passed already. Raises Parked, WaitRefused."""
    run = drive.claimed.run
    if step.action == ASKS and _answered(drive, step, place):
        return
    timed = step.action == "gate:wait"
    gate = drive.tools.prefix + step.id
    begun = run.tasks.filter(phase=place.phase, step=gate).exists()
    passed = (
        begun
        if timed
        else step.action != ASKS and Approval.objects.filter(run=run, gate=gate, verdict="approve").exists()
    )
    if passed:
        return
    asked = expressions.render(dict(step.input), scope)
    length = _gate_length(asked)
    if timed:
        why = f"waited {length} s" + (f", until {asked['until']}" if "until" in asked else "")
        tasks.skip(
            run=run.id,
            token=drive.claimed.token,
            phase=place.phase,
            step=gate,
            target="",
            position=place.position,
            batch=place.batch,
            why=why if length else "its time had come already",
            at=now(),
        )
        if not length:
            return
    if not timed and run.answered_digest:
        _refrozen(drive, gate)  # the plan below it may be another one by now
    drive.tools.output.flush()
    endings.wait_at_gate(
        run=run.id,
        token=drive.claimed.token,
        step=gate,
        message=str(asked.get("message", "")),
        expires_s=length,
        wakes=timed,
        asks=step.action == ASKS,
        at=now(),
    )
    raise Parked


def _answered(drive: Drive, step: Step, place: Place) -> bool:
    """Whether this gate was answered: then its values are its output, and the plan is frozen anew with them."""
    gate = drive.tools.prefix + step.id
    values = gate_answers.given(drive.claimed.run, gate)
    if values is None:
        return False
    _refrozen(drive, gate)
    task = record_answer(drive.tools, step, place, values)
    task.step = step.id
    drive.done[place.phase, step.id, place.batch, ""] = task
    return True


def _refrozen(drive: Drive, gate: str) -> None:
    """Freeze the plan with every answer so far, unless it is frozen so already. Raises WaitRefused."""
    claimed, whole = drive.claimed, drive.root
    root = Frame("", "", whole.definition, whole.files, whole.ask, {})
    answers = gate_answers.all_given(claimed.run)
    try:
        data = freeze.answered(bytes(claimed.run.plan), root, whole.frames, drive.tools.actions, answers)
    except OpsError as problem:
        raise WaitRefused(f"With this answer the plan cannot be made: {problem.message}") from problem
    if plan.plan_digest(data) != claimed.run.answered_digest:
        row = gate_answers.refreeze(run=claimed.run.id, token=claimed.token, gate=gate, data=data, at=now())
        claimed.run.answered_plan, claimed.run.answered_digest = row.answered_plan, row.answered_digest


def _gate_length(asked: Mapping[str, Any]) -> int:
    """How long a gate waits: `until`, `expires` or `for`, an hour unless set. Raises WaitRefused."""
    if "until" in asked:
        at = now()
        return ceil((waits.instant(str(asked["until"]), asked.get("zone"), at) - at).total_seconds())
    return seconds(str(asked.get("expires") or asked.get("for") or "1h"))
