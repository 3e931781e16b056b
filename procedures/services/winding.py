"""A run that ends while no runner has it, after steps began: it is claimed once more, for what must always happen."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain.canonical import parse
from procedures.domain.states import RunState
from procedures.models import Person, Run
from procedures.services.queueing import queue
from procedures.services.run_states import end, note


def end_or_wind_up(
    run: Run, new: RunState, *, at: datetime, actor: UUID | None, who: str, message: str, **more: Any
) -> None:
    """End a run that waits or is queued; if steps of it began and it has an `always`, a runner carries that out first.

    The ending is decided here and now: what `always` does cannot change it.
    """
    if not _owes(run):
        end(run, new, at=at, actor=actor, who=who, message=message, **more)
        return
    fields = {
        "ending": new.value,
        "message": message,
        "waiting_gate": "",
        "waiting_form": False,
        "waiting_until_at": None,
    }
    note("run.winding_up", run, at=at, actor=actor, facts={"ending": new.value, "message": message[:2000]})
    Run.objects.filter(pk=run.pk).update(**fields)
    for name, value in fields.items():
        setattr(run, name, value)
    if run.state == RunState.WAITING:
        queue(run, at=at, who=who)


def stop(run: Run, *, actor: Person, reason: str, at: datetime) -> None:
    """Make a run that has not ended stop: its runner is told, or it ends as soon as what it owes is done."""
    if run.state == RunState.RUNNING:
        if run.cancel_requested_at is None:
            Run.objects.filter(pk=run.pk).update(cancel_requested_at=at, cancel_requested_by=actor)
            note("run.cancel_asked", run, at=at, actor=actor.subject, facts={"reason": reason[:2000]})
    elif not run.ending:
        message = reason or f"Canceled by {actor.name}."
        end_or_wind_up(run, RunState.CANCELED, at=at, actor=actor.subject, who=actor.username, message=message)


def _owes(run: Run) -> bool:
    """Whether something began that the run's `always` must clear up."""
    if not bytes(run.plan) or not run.tasks.exclude(state="skipped").exists():
        return False
    return any(step["phase"] != "steps" for step in parse(bytes(run.plan))["steps"])
