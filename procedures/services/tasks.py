"""Tasks: intent before effect, the result with the runner's own signature after it, output as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max

from procedures.domain.ports import ActionResult
from procedures.domain.states import TASK_MOVES, TaskState, require_move
from procedures.evidence.dsse import runner_statement
from procedures.models import LogChunk, Run, Runner, Task
from procedures.services.artifacts import Kept, store
from procedures.services.claims import hold
from procedures.services.run_states import note


class Signer(Protocol):
    """A runner's key. `id` is the runner's row."""

    @property
    def id(self) -> UUID: ...

    def sign(self, payload: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of masked output."""

    step: str
    target: str
    stream: str
    at: datetime
    text: str
    task: UUID | None = None


def begin(
    *,
    run: UUID,
    token: UUID,
    phase: str,
    step: str,
    target: str,
    attempt: int,
    position: int,
    batch: int,
    does: str,
    at: datetime,
) -> Task:
    """Record the intent of one task before anything happens. `does` is the digest of what the plan says it does."""
    with transaction.atomic(durable=True):
        row = hold(run, token)
        task = Task.objects.create(
            run=row,
            phase=phase,
            step=step,
            target=target,
            attempt=attempt,
            position=position,
            batch=batch,
            state=TaskState.RUNNING.value,
            started_at=at,
        )
        note(
            "step.intent",
            row,
            at=at,
            actor=None,
            facts={
                "task": str(task.id),
                "step": step,
                "phase": phase,
                "target": target,
                "attempt": attempt,
                "does": does,
            },
        )
        return task


def contacted(
    *, run: UUID, token: UUID, declared: str, reached: Sequence[str], lost: Mapping[str, str], at: datetime
) -> None:
    """Which targets were in contact before the first step, and in words why the others were not."""
    with transaction.atomic(durable=True):
        row = hold(run, token)
        facts = {"declared": declared, "reached": list(reached), "lost": dict(lost)}
        note("run.contacted", row, at=at, actor=None, facts=facts)


def finish(
    *,
    run: UUID,
    token: UUID,
    task: Task,
    result: ActionResult,
    transcript: Mapping[str, Any],
    signer: Signer,
    at: datetime,
    artifacts: Sequence[Kept] = (),
) -> None:
    """Write how a task ended, signed by the runner in its own sequence."""
    state = TaskState(result.outcome)
    with transaction.atomic(durable=True):
        row = hold(run, token)
        close(
            task,
            state,
            at=at,
            who="runner",
            exit_status=result.exit_status,
            output=dict(result.output),
            facts=dict(result.facts),
            message=result.message,
            remote=result.remote or "",
        )
        facts = {
            "task": str(task.id),
            "step": task.step,
            "phase": task.phase,
            "target": task.target,
            "attempt": task.attempt,
            "outcome": state.value,
            "facts": dict(result.facts),
            "transcript": dict(transcript),
        }
        if result.exit_status is not None:
            facts["exit"] = result.exit_status
        if result.remote:
            facts["remote"] = result.remote
        store(row, task, artifacts, at)
        facts["dsse"] = sign(signer, "task", {"run": str(row.id), "digest": row.digest, **facts})
        note("task.finished", row, at=at, actor=None, facts=facts)


def close(task: Task, state: TaskState, *, at: datetime, who: str, **fields: Any) -> None:
    """The one place where a task's state is written."""
    require_move(TASK_MOVES, TaskState(task.state), state, who=who)
    fields |= {"state": state.value, "ended_at": at}
    Task.objects.filter(pk=task.pk, state=task.state).update(**fields)
    for name, value in fields.items():
        setattr(task, name, value)


def skip(
    *, run: UUID, token: UUID, phase: str, step: str, target: str, position: int, batch: int, why: str, at: datetime
) -> None:
    with transaction.atomic(durable=True):
        row = hold(run, token)
        Task.objects.create(
            run=row,
            phase=phase,
            step=step,
            target=target,
            attempt=1,
            position=position,
            batch=batch,
            state=TaskState.SKIPPED.value,
            started_at=at,
            ended_at=at,
            message=why,
        )
        note("task.skipped", row, at=at, actor=None, facts={"step": step, "phase": phase, "target": target, "why": why})


def sign(signer: Signer, kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A DSSE envelope in the runner's own sequence: its number and the digest of the one before (G5).

    Call inside a transaction: the runner's row is locked, so the sequence has no gap.
    """
    runner = Runner.objects.select_for_update().get(pk=signer.id)
    envelope, mark = runner_statement(
        runner=signer.id,
        sequence=runner.statements + 1,
        previous=runner.last_statement_sha256,
        kind=kind,
        facts=facts,
        sign=signer.sign,
    )
    Runner.objects.filter(pk=runner.pk).update(statements=F("statements") + 1, last_statement_sha256=mark)
    return envelope


def append(*, run: UUID, token: UUID, lines: Sequence[Line], masked_bytes: int = 0) -> None:
    """Store output that was already masked; `seq` goes on without a gap."""
    if not lines:
        return
    with transaction.atomic(durable=True):
        hold(run, token)
        last = LogChunk.objects.filter(run=run).aggregate(last=Max("seq"))["last"] or 0
        LogChunk.objects.bulk_create(
            LogChunk(
                run_id=run,
                seq=last + i,
                task_id=line.task,
                step=line.step,
                target=line.target,
                stream=line.stream,
                at=line.at,
                text=line.text,
            )
            for i, line in enumerate(lines, 1)
        )
        if masked_bytes:
            Run.objects.filter(pk=run).update(masked_bytes=F("masked_bytes") + masked_bytes)
