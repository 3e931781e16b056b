"""Pause and resume: a run stands still between two steps, holds no runner, and its own time stands still with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from procedures import access
from procedures.domain.errors import IllegalState, InvalidInput, NotFound
from procedures.domain.parameters import text_problem
from procedures.domain.states import TERMINAL_RUN_STATES, RunState
from procedures.models import Claim, Person, Run
from procedures.services.claims import hold
from procedures.services.queueing import queue
from procedures.services.run_states import move, note
from procedures.services.unit import thing

ON_ITS_WAY = (RunState.QUEUED.value, RunState.RUNNING.value, RunState.WAITING.value)
REASON = 2_000


class NotPausable(IllegalState):
    """The run is not on its way, is ending, or is paused already."""

    code = "run.not-pausable"
    next_step = "Look at the run's page for how it stands."


class NotPaused(IllegalState):
    """Nobody asked this run to pause."""

    code = "run.not-paused"
    next_step = "Look at the run's page for how it stands."


@thing
def pause_run(*, actor: Person, run: UUID, reason: str, at: datetime) -> Run:
    """Ask a run to stand still before its next step; what is under way ends first. Raises as `cancel_run` does.

    Raises NotAllowed, NotFound, InvalidInput, NotPausable.
    """
    row = _held_back(actor, run, at)
    reason = _checked(reason)
    if row.state not in ON_ITS_WAY or row.ending or row.cancel_requested_at is not None:
        raise NotPausable(f"Run #{row.no} is {_stands(row)}, so it cannot be paused.")
    if row.pause_asked_at is not None:
        raise NotPausable(f"Run #{row.no} was asked to pause already.")
    _write(row, pause_asked_at=at, pause_asked_by=actor, pause_reason=reason)
    note("run.pause_asked", row, at=at, actor=actor.subject, facts={"reason": reason})
    return row


@thing
def resume_run(*, actor: Person, run: UUID, at: datetime) -> Run:
    """Let a paused run go on, or take back a pause that has not begun. Raises NotAllowed, NotFound, NotPaused."""
    row = _held_back(actor, run, at)
    if row.pause_asked_at is None or row.state not in ON_ITS_WAY or row.ending:
        raise NotPaused(f"Run #{row.no} is {_stands(row)}, and nobody asked it to pause.")
    paused = row.paused_at is not None
    _write(row, pause_asked_at=None, pause_asked_by=None, pause_reason="")
    note("run.resumed", row, at=at, actor=actor.subject, facts={"how": "resumed" if paused else "not paused yet"})
    if paused:
        _write(row, message="")
        queue(row, at=at, who=actor.username)
    return row


def asked(run: UUID) -> bool:
    """Whether a pause waits to be taken."""
    return Run.objects.filter(pk=run, pause_asked_at__isnull=False).exists()


def take(*, run: UUID, token: UUID, at: datetime) -> bool:
    """The runner lets go of a run that was asked to pause; False if nobody wants that any more. Raises ClaimLost."""
    with transaction.atomic(durable=True):
        row = hold(run, token)
        by = row.pause_asked_by
        if by is None:
            return False
        limit = row.environment.pause_limit_s
        message = f"Paused by {by.name}" + (f": {row.pause_reason}" if row.pause_reason else ".")
        until = at + timedelta(seconds=limit)
        move(row, RunState.WAITING, at=at, who="runner", waiting_until_at=until, paused_at=at, message=message)
        Claim.objects.filter(run=row).delete()
        facts = {"by": str(by.subject), "reason": row.pause_reason, "expires_s": limit}
        note("run.paused", row, at=at, actor=None, facts=facts)
        return True


def _held_back(actor: Person, run: UUID, at: datetime) -> Run:
    """The run, locked, if this person may hold it back: whoever asked for it, or holds `cancel` there."""
    row = Run.objects.select_for_update(of=("self",)).select_related("environment", "procedure").filter(pk=run).first()
    if row is None:
        raise NotFound("There is no such run.")
    own = row.requester_id == actor.pk and access.within(actor, "cancel", row.procedure.name, row.environment_id)
    if not own:
        access.require(actor, "cancel", at=at, procedure=row.procedure, environment=row.environment)
    return row


def _stands(row: Run) -> str:
    if row.state in {state.value for state in TERMINAL_RUN_STATES}:
        return f"{row.state.replace('_', ' ')} already"
    if row.ending or row.cancel_requested_at is not None:
        return "ending"
    return row.state.replace("_", " ")


def _checked(reason: str) -> str:
    said = reason.strip()
    if why := text_problem(said):
        raise InvalidInput([("/reason", why)])
    if len(said) > REASON:
        raise InvalidInput([("/reason", f"is longer than {REASON:,} characters")])
    return said


def _write(row: Run, **fields: object) -> None:
    Run.objects.filter(pk=row.pk).update(**fields)
    for name, value in fields.items():
        setattr(row, name, value)
