"""A step over many targets is handed out in batches: whoever drives the run works through them, and other runners of
the environment help. Each decides again before it does anything, and a lost helper loses no more than its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from procedures.domain import limits
from procedures.domain.states import TERMINAL_TASK_STATES, RunState, TaskState
from procedures.models import Claim, Run, Runner, StepBatch, Task
from procedures.services import claims, dispatch
from procedures.services.claims import Claimed
from procedures.services.holding import ClaimLost, hold, word_for
from procedures.services.moments import agreed, database_now
from procedures.services.run_states import note
from procedures.services.tasks import close

State = StepBatch.State
ENDED = [state.value for state in TERMINAL_TASK_STATES]


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch that this runner now carries out."""

    claimed: Claimed
    row: StepBatch


def hand_out(
    *, run: UUID, token: UUID, phase: str, step: str, position: int, batch: int, labels: Sequence[str], at: datetime
) -> list[UUID]:
    """Make batches of at most `limits.BATCH` targets and tell the environment's runners. Raises ClaimLost.

    Safe to repeat: what this claim has handed out of a step is handed out once.
    """
    with transaction.atomic(durable=True):
        row = hold(run, token)
        there = StepBatch.objects.filter(run=run, claim=token, phase=phase, step=step, batch=batch).order_by("pk")
        if there:
            return [one.pk for one in there]
        size = limits.BATCH
        made = StepBatch.objects.bulk_create(
            StepBatch(
                run=row,
                claim=token,
                phase=phase,
                step=step,
                position=position,
                batch=batch,
                labels=list(labels[start : start + size]),
                made_at=at,
            )
            for start in range(0, len(labels), size)
        )
        told = {str(one.pk): one.labels for one in made}
        note("step.handed_out", row, at=at, actor=None, facts={"step": step, "phase": phase, "batches": told})
        for one in made[1:]:
            dispatch.batch_after_commit(one.pk, row.environment_id)
        return [one.pk for one in made]


def next_own(*, run: UUID, token: UUID, runner: UUID, ids: Sequence[UUID], at: datetime) -> StepBatch | None:
    """The next batch that nobody has taken, for whoever drives the run; None if there is none. Raises ClaimLost.

    Safe to repeat: until it is done, the driver is given the one that it has.
    """
    with transaction.atomic(durable=True):
        hold(run, token)
        rows = StepBatch.objects.select_for_update().filter(pk__in=ids).order_by("pk")
        if (own := rows.filter(state=State.TAKEN, token=token).first()) is not None:
            return own
        row = rows.filter(state=State.OPEN).first()
        if row is not None:
            _set(row, state=State.TAKEN, token=token, runner_id=runner, heartbeat_at=at)
        return row


def take(*, batch: UUID, runner: Runner, at: datetime) -> Taken | None:
    """An open batch of somebody else's run, after deciding again (rule 15); None if there is nothing to take.

    Raises ClockSkewed.
    """
    with transaction.atomic(durable=True):
        at = agreed(at)
        row = StepBatch.objects.select_related("run").filter(pk=batch).first()
        claim = None if row is None else Claim.objects.select_for_update().filter(pk=row.run_id).first()
        row = StepBatch.objects.select_for_update(of=("self",)).filter(pk=batch, state=State.OPEN).first()
        if row is None or claim is None or claim.token != row.claim or claim.runner_id == runner.pk:
            return None
        run = Run.objects.select_related("environment", "procedure", "version", "requester").get(pk=row.run_id)
        if run.state != RunState.RUNNING or run.draft or runner.disposable or run.cancel_requested_at is not None:
            return None
        token = uuid4()
        joined = claims.join(run, runner, token, at)
        facts = {"batch": str(row.pk), "runner": str(runner.pk), "step": row.step, "digest": run.digest}
        if isinstance(joined, str):
            note("batch.refused", run, at=at, actor=None, facts={**facts, "why": joined[:2000]})
            return None
        _set(row, state=State.TAKEN, token=token, runner_id=runner.pk, heartbeat_at=at)
        more = {"plan_digest": run.plan_digest, "targets": row.labels, "claim": str(token)}
        note(
            "batch.taken",
            run,
            at=at,
            actor=None,
            facts={**facts, **more, "tier": runner.tier, "software": runner.software},
        )
        return Taken(joined, row)


def beat(*, batch: UUID, token: UUID, calls: Sequence[str]) -> Literal["", "cancel", "stop"]:
    """Say that the helper lives; hear whether the run must stop. Raises ClaimLost."""
    row = StepBatch.objects.filter(pk=batch, token=token, state=State.TAKEN, runner__ended_at__isnull=True).first()
    if row is None or not Claim.objects.filter(pk=row.run_id, token=row.claim).exists():
        raise ClaimLost("This batch was taken back, or its run has ended.")
    StepBatch.objects.filter(pk=batch, token=token).update(heartbeat_at=database_now())
    return word_for(row.run_id, calls)


def done(row: StepBatch) -> None:
    """Everything of this batch was done by whoever holds it; nothing happens if it was taken back."""
    StepBatch.objects.filter(pk=row.pk, token=row.token, state=State.TAKEN).update(state=State.DONE)


def waiting_for(*, run: UUID, token: UUID, ids: Sequence[UUID]) -> bool:
    """Whether others still work on these batches; what a lost helper had is closed or handed out again.

    Raises ClaimLost.
    """
    at = database_now()
    limit = at - timedelta(seconds=settings.OPSPORTAL_HEARTBEAT_LOST_S)
    gone = Q(heartbeat_at__lt=limit) | Q(runner__ended_at__isnull=False)
    lost = StepBatch.objects.filter(gone, pk__in=ids, state=State.TAKEN).exclude(token=token)
    for batch in lost.values_list("pk", flat=True):
        _take_back(run, token, batch, gone, at)
    return StepBatch.objects.filter(pk__in=ids).exclude(state=State.DONE).exists()


def _take_back(run: UUID, token: UUID, batch: UUID, gone: Q, at: datetime) -> None:
    """What the helper had under way is interrupted, for nobody knows how it went; what it never began is open again."""
    with transaction.atomic(durable=True):
        whole = hold(run, token)
        row = StepBatch.objects.select_for_update(of=("self",)).filter(gone, pk=batch, state=State.TAKEN).first()
        if row is None:
            return
        tasks = Task.objects.filter(run=run, phase=row.phase, step=row.step, batch=row.batch, target__in=row.labels)
        under_way = list(tasks.filter(state=TaskState.RUNNING.value))
        for task in under_way:
            close(
                task,
                TaskState.INTERRUPTED,
                at=at,
                who="runner",
                remote="unknown",
                message="Lost contact with the runner that helped while this was under way.",
            )
            facts = {"task": str(task.id), "step": task.step, "target": task.target, "remote": "unknown"}
            note("task.interrupted", whole, at=at, actor=None, facts=facts)
        begun = set(tasks.values_list("target", flat=True))
        left = [label for label in row.labels if label not in begun]
        known = {"batch": str(row.pk), "runner": str(row.runner_id), "step": row.step}
        how = {"left": left, "interrupted": [task.target for task in under_way]}
        note("batch.lost", whole, at=at, actor=None, facts={**known, **how})
        if left:
            _set(row, state=State.OPEN, token=None, runner_id=None, heartbeat_at=None, labels=left)
        else:
            _set(row, state=State.DONE)


def _set(row: StepBatch, **fields: object) -> None:
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=[name.removesuffix("_id") for name in fields])
