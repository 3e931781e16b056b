"""How runs end: by themselves, by a person's cancel, by a lost runner. Always the truth, always once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from procedures import access
from procedures.domain.errors import IllegalState, NotFound
from procedures.domain.states import TERMINAL_RUN_STATES, RunState, TaskState
from procedures.models import Claim, LeaseRecord, Person, Run, Task
from procedures.services import telling
from procedures.services.claims import hold
from procedures.services.continuing import after_interruption
from procedures.services.queueing import queue
from procedures.services.run_states import end, move, note
from procedures.services.steady import steadily
from procedures.services.tasks import Signer, close, sign
from procedures.services.unit import thing
from procedures.services.winding import end_or_wind_up, stop


class AlreadyEnded(IllegalState):
    """The run has ended; nothing is left to cancel."""

    code = "run.already-ended"
    next_step = "Look at the run's page for how it ended."


class Why(NamedTuple):
    """Why a run was interrupted, as its leases, its tasks and the run itself say it."""

    lease: str
    task: str
    run: str


DRAINED = "Its runner was told to stop and let it go between two steps."
LOST = Why(
    "runner lost",
    "Lost contact with the runner while this was under way.",
    "Lost contact with the runner: the outcome is unknown.",
)
ENDED = Why(
    "runner ended",
    "Its runner was ended while this was under way.",
    "Its runner was ended: the outcome is unknown.",
)


def finish_run(
    *, run: UUID, token: UUID, outcome: RunState, message: str, output: Mapping[str, Any], signer: Signer, at: datetime
) -> None:
    """The runner says how the run ended; its statement over every task is in the seal."""
    steadily(lambda: _finish_run(run, token, outcome, message, output, signer, at))


def _finish_run(
    run: UUID, token: UUID, outcome: RunState, message: str, output: Mapping[str, Any], signer: Signer, at: datetime
) -> None:
    with transaction.atomic(durable=True):
        row = hold(run, token)
        tasks = [
            {"step": t.step, "target": t.target, "attempt": t.attempt, "state": t.state}
            for t in row.tasks.order_by("id")
        ]
        Run.objects.filter(pk=run).update(output=dict(output))
        envelope = sign(
            signer,
            "run",
            {
                "run": str(run),
                "digest": row.digest,
                "plan_digest": row.plan_digest,
                "outcome": outcome.value,
                "tasks": tasks,
            },
        )
        end(
            row,
            outcome,
            at=at,
            actor=None,
            who="runner",
            message=message,
            facts={"runner": str(signer.id), "dsse": envelope, "tasks": len(tasks), "plan_digest": row.plan_digest},
        )
        if outcome is RunState.INTERRUPTED:
            after_interruption(row, at)


def hand_over(*, run: UUID, token: UUID, at: datetime, why: str = DRAINED) -> None:
    """Let go of a run between two steps, so that another runner goes on with it: nobody has to answer anything."""
    steadily(lambda: _hand_over(run, token, why, at))


def _hand_over(run: UUID, token: UUID, message: str, at: datetime) -> None:
    with transaction.atomic(durable=True):
        row = hold(run, token)
        move(row, RunState.WAITING, at=at, who="runner", waiting_gate="", waiting_until_at=at)
        Claim.objects.filter(run=row).delete()
        note("run.waiting", row, at=at, actor=None, facts={"gate": "", "message": message, "expires_s": 0})
        queue(row, at=at, who="runner")


def wait_at_gate(
    *,
    run: UUID,
    token: UUID,
    step: str,
    message: str,
    expires_s: int,
    wakes: bool,
    at: datetime,
    asks: bool = False,
) -> None:
    """Park a run at a gate: no runner is held (decisions.md, 8). `wakes`: go on by itself when the time has come.

    `asks`: it waits for values, not for an approval.
    """
    steadily(lambda: _wait_at_gate(run, token, step, message, expires_s, wakes, at, asks))


def _wait_at_gate(
    run: UUID,
    token: UUID,
    step: str,
    message: str,
    expires_s: int,
    wakes: bool,
    at: datetime,
    asks: bool,
) -> None:
    with transaction.atomic(durable=True):
        row = hold(run, token)
        move(
            row,
            RunState.WAITING,
            at=at,
            who="runner",
            waiting_gate="" if wakes else step,
            waiting_form=asks,
            waiting_until_at=at + timedelta(seconds=expires_s),
            message=message,
        )
        Claim.objects.filter(run=row).delete()
        note(
            "run.waiting",
            row,
            at=at,
            actor=None,
            facts={"gate": step, "message": message[:2000], "expires_s": expires_s},
        )
        if asks:
            telling.answer_waits(row, until=at + timedelta(seconds=expires_s), at=at)
        elif not wakes:
            telling.approval_waits(row, until=at + timedelta(seconds=expires_s), at=at)


@thing
def cancel_run(*, actor: Person, run: UUID, reason: str, at: datetime) -> Run:
    """Stop a run: at once if no runner has it, else the runner is told within a heartbeat.

    Raises NotAllowed, NotFound, AlreadyEnded.
    """
    row = Run.objects.select_for_update(of=("self",)).select_related("environment", "procedure").filter(pk=run).first()
    if row is None:
        raise NotFound("There is no such run.")
    own = row.requester_id == actor.pk and access.within(actor, "cancel", row.procedure.name, row.environment_id)
    if not own:
        access.require(actor, "cancel", at=at, procedure=row.procedure, environment=row.environment)
    if row.state in {s.value for s in TERMINAL_RUN_STATES}:
        raise AlreadyEnded(f"Run #{row.no} has {row.state.replace('_', ' ')} already.")
    stop(row, actor=actor, reason=reason, at=at)
    row.refresh_from_db()
    return row


def interrupt_lost(*, at: datetime, deaf: bool = False) -> list[UUID]:
    """End as `interrupted` every run whose runner was ended, or was not heard of for too long. Returns their ids.

    `deaf`: silence proves nothing yet.
    """
    limit = at - timedelta(seconds=settings.OPSPORTAL_HEARTBEAT_LOST_S)
    gone = Q(runner__ended_at__isnull=False)
    if not deaf:
        gone |= Q(heartbeat_at__lt=limit)
    lost = list(Claim.objects.filter(gone).values_list("run_id", "token"))
    return [run for run, token in lost if _interrupt(run, token, gone, at)]


def _interrupt(run: UUID, token: UUID, gone: Q, at: datetime) -> bool:
    with transaction.atomic(durable=True):
        rows = Claim.objects.select_for_update(of=("self",)).select_related("runner")
        claim = rows.filter(gone, pk=run, token=token).first()
        if claim is None:
            return False
        _end_interrupted(claim, LOST if claim.runner.ended_at is None else ENDED, at)
        return True


def _end_interrupted(claim: Claim, why: Why, at: datetime) -> None:
    """End a run whose runner can no longer be asked: what was under way may have happened. Call in a transaction that
    holds the claim.
    """
    row = Run.objects.select_related("environment", "procedure").get(pk=claim.run_id)
    for task in row.tasks.filter(state=TaskState.RUNNING.value):
        _lose(task, row, at, "sweeper", why.task)
    for lease in row.leases.exclude(state=LeaseRecord.State.REVOKED):
        LeaseRecord.objects.filter(pk=lease.pk).update(state=LeaseRecord.State.REVOKED, ended_at=at)
        facts = {"lease": str(lease.id), "how": "expires-only", "why": why.lease}
        note("lease.revoked", row, at=at, actor=None, facts=facts)
    facts = {"runner": str(claim.runner_id)}
    end(row, RunState.INTERRUPTED, at=at, actor=None, who="sweeper", message=why.run, facts=facts)
    after_interruption(row, at)


def _lose(task: Task, run: Run, at: datetime, who: str, message: str) -> None:
    remote = "unknown" if task.target else "dead"
    close(task, TaskState.INTERRUPTED, at=at, who=who, remote=remote, message=message)
    note(
        "task.interrupted",
        run,
        at=at,
        actor=None,
        facts={"task": str(task.id), "step": task.step, "target": task.target, "remote": remote},
    )


def expire_overdue(*, at: datetime) -> int:
    """Runs whose approval or gate was not given in time, and timed waits that are over. Returns how many moved."""
    moved = 0
    late = Run.objects.filter(state=RunState.AWAITING_APPROVAL.value, approval_expires_at__lte=at)
    due = Run.objects.filter(state=RunState.WAITING.value, waiting_until_at__lte=at)
    for pk in [*late.values_list("pk", flat=True)[:500], *due.values_list("pk", flat=True)[:500]]:
        with transaction.atomic(durable=True):
            row = Run.objects.select_for_update(of=("self",)).select_related("environment", "procedure").get(pk=pk)
            moved += _overdue(row, at)
    return moved


def _overdue(run: Run, at: datetime) -> int:
    if run.state == RunState.AWAITING_APPROVAL and run.approval_expires_at and run.approval_expires_at <= at:
        end(run, RunState.EXPIRED, at=at, actor=None, who="scheduler", message="Nobody approved it in time.")
        return 1
    if run.state != RunState.WAITING or run.waiting_until_at is None or run.waiting_until_at > at:
        return 0
    if run.paused_at is not None:
        message = f"{run.message} Nobody resumed it in time."
        end_or_wind_up(run, RunState.TIMED_OUT, at=at, actor=None, who="scheduler", message=message)
    elif run.waiting_gate:
        end_or_wind_up(
            run,
            RunState.TIMED_OUT,
            at=at,
            actor=None,
            who="scheduler",
            message=f"Nobody answered the gate {run.waiting_gate} in time.",
        )
    else:
        queue(run, at=at, who="scheduler")
    return 1
