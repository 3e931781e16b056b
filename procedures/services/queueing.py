"""Runs on their way to a runner: they wait for approvals, or stand in the queue of their environment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from procedures.domain.states import RunState
from procedures.models import Run
from procedures.queries import stops
from procedures.services import dispatch, telling
from procedures.services.run_states import end, move, note


def await_or_queue(run: Run, *, at: datetime, breaks: bool = False, approved: bool = False) -> None:
    """The step after planning: approvals, if the environment asks for any, else the queue.

    `breaks`: whoever asks means to break the glass, so in a freeze the run waits for that. `approved`: an approval
    was carried over from the run that this one goes on with.
    """
    frozen = run.environment.frozen_until_at is not None and run.environment.frozen_until_at > at
    if (halted := stops.of_run(run)) is not None:
        told = f"{halted.thrown_by.name} stopped {halted.what}, so no run is let in: {halted.reason}"
        end(run, RunState.DENIED, at=at, actor=None, who="stop switch", message=told)
    elif (run.approvals_needed and not approved) or (breaks and frozen):
        ask_for_approval(run, at=at, who="planning")
    else:
        queue(run, at=at, who="planning")


def ask_for_approval(run: Run, *, at: datetime, who: str, **fields: Any) -> None:
    """The run waits for others; those who may decide are told. `fields` are columns that change with it."""
    until = at + timedelta(seconds=run.environment.approval_expiry_s)
    move(run, RunState.AWAITING_APPROVAL, at=at, who=who, approval_expires_at=until, **fields)
    note("run.awaiting_approval", run, at=at, actor=None, facts={"plan_digest": run.plan_digest})
    telling.approval_waits(run, until=until, at=at)


def time_stood_still(run: Run, at: datetime) -> dict[str, Any]:
    """What changes with a run whose wait is over: the wait is no part of its timeout."""
    if run.state != RunState.WAITING:
        return {}
    waits = [*run.waits, [run.state_since.isoformat(), at.isoformat()]]
    return {"waits": waits, "deadline_at": run.deadline_at + (at - run.state_since) if run.deadline_at else None}


def queue(run: Run, *, at: datetime, who: str) -> None:
    over = {
        "waiting_gate": "",
        "waiting_form": False,
        "waiting_until_at": None,
        "paused_at": None,
        **time_stood_still(run, at),
    }
    move(run, RunState.QUEUED, at=at, who=who, queued_at=at, **over)
    note("run.queued", run, at=at, actor=None, facts={"plan_digest": run.plan_digest})
    dispatch.after_commit(run.id, run.environment_id, draft=run.draft)
