"""Tasks: intent before effect, the result with the runner's own signature after it, output as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max

from procedures.domain import made_secrets
from procedures.domain.ids import uuid7
from procedures.domain.ports import ActionResult
from procedures.domain.readable import MARKS, Readable
from procedures.domain.states import TASK_MOVES, TaskState, require_move
from procedures.evidence.dsse import runner_statement
from procedures.evidence.models import Event
from procedures.models import LogChunk, Run, Runner, Task
from procedures.services.artifacts import Kept, store
from procedures.services.holding import hold, hold_part, holder_of
from procedures.services.made import Made, keep
from procedures.services.run_states import note
from procedures.services.steady import steadily

NOTHING = Readable()


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
    place = {"phase": phase, "step": step, "target": target, "attempt": attempt, "position": position, "batch": batch}
    id = uuid7()
    return steadily(lambda: _begin(id, run, token, place, does, at))


def _begin(id: UUID, run: UUID, token: UUID, place: Mapping[str, Any], does: str, at: datetime) -> Task:
    with transaction.atomic(durable=True):
        row = hold_part(run, token)
        if (begun := Task.objects.filter(pk=id).first()) is not None:
            return begun  # the answer was lost, not the commit
        task = Task.objects.create(id=id, run=row, state=TaskState.RUNNING.value, started_at=at, **place)
        note(
            "step.intent",
            row,
            at=at,
            actor=None,
            facts={
                "task": str(task.id),
                **{name: place[name] for name in ("step", "phase", "target", "attempt")},
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


def alarmed(*, run: UUID, token: UUID, facts: Mapping[str, str], at: datetime) -> None:
    """Which alarm lets no further batch begin, and with which value."""
    with transaction.atomic(durable=True):
        note("run.alarmed", hold(run, token), at=at, actor=None, facts=facts)


def made_secret(*, run: UUID, token: UUID, task: Task, how: str, at: datetime) -> bool:
    """Record that a task's own code names something secret, never what; False once the run has named its most."""
    return steadily(lambda: _made_secret(run, token, task, how, at))


def _made_secret(run: UUID, token: UUID, task: Task, how: str, at: datetime) -> bool:
    with transaction.atomic(durable=True):
        row = hold_part(run, token)
        before = Event.objects.filter(run=run, kind="secret.made").count()
        if before >= made_secrets.MOST:
            return False
        facts = {"task": str(task.id), "step": task.step, "target": task.target, "how": how, "no": before + 1}
        note("secret.made", row, at=at, actor=None, facts=facts)
        return True


def finish(
    *,
    run: UUID,
    token: UUID,
    task: Task,
    result: ActionResult,
    transcript: Mapping[str, Any],
    seed: bytes,
    signer: Signer,
    at: datetime,
    artifacts: Sequence[Kept] = (),
    made: Sequence[Made] = (),
) -> None:
    """Write how a task ended, signed by the runner in its own sequence. `seed` opens what `transcript` commits to."""
    steadily(lambda: _finish(run, token, task, result, transcript, seed, signer, at, artifacts, made))


def _finish(
    run: UUID,
    token: UUID,
    task: Task,
    result: ActionResult,
    transcript: Mapping[str, Any],
    seed: bytes,
    signer: Signer,
    at: datetime,
    artifacts: Sequence[Kept],
    made: Sequence[Made],
) -> None:
    state = TaskState(result.outcome)
    with transaction.atomic(durable=True):
        row = hold_part(run, token)
        if Task.objects.filter(pk=task.pk, state=state.value, ended_at=at).exists():
            return  # the answer was lost, not the commit
        task.refresh_from_db(fields=["state"])  # a try that was rolled back may have changed it here
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
            transcript_seed=seed,
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
        _mark(row, transcript)
        store(row, task, artifacts, at)
        keep(row, task, made, at)
        facts["dsse"] = sign(signer, "task", {"run": str(row.id), "digest": row.digest, **facts})
        note("task.finished", row, at=at, actor=None, facts=facts)


def _mark(run: Run, transcript: Mapping[str, Any]) -> None:
    """Keep at the run what is to be looked at in one of its tasks, which the whole run's counts may hide."""
    found = Readable(**transcript["readable"]).marks()
    if set(found) - set(run.output_marks):
        marks = [mark for mark in MARKS if mark in {*found, *run.output_marks}]
        Run.objects.filter(pk=run.pk).update(output_marks=marks)


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
    place = {"phase": phase, "step": step, "target": target, "position": position, "batch": batch}
    id = uuid7()
    steadily(lambda: _skip(id, run, token, place, why, at))


def _skip(id: UUID, run: UUID, token: UUID, place: Mapping[str, Any], why: str, at: datetime) -> None:
    with transaction.atomic(durable=True):
        row = hold(run, token)
        if Task.objects.filter(pk=id).exists():
            return
        state = TaskState.SKIPPED.value
        Task.objects.create(id=id, run=row, state=state, attempt=1, started_at=at, ended_at=at, message=why, **place)
        facts = {name: place[name] for name in ("step", "phase", "target")}
        note("task.skipped", row, at=at, actor=None, facts={**facts, "why": why})


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


def append(*, run: UUID, token: UUID, lines: Sequence[Line], after: int, counts: Readable = NOTHING) -> int:
    """Store output that was already masked; `seq` goes on without a gap, whoever else writes to the same run.

    `counts` are bytes since the last time.

    `after` is how many lines the caller knows to be stored of its own: what it sends again after a lost answer, with
    more behind it, is there once. Returns how many are stored now.
    """
    with transaction.atomic(durable=True):
        holder = holder_of(run, token)
        stored, lines = holder.lines - after, lines[max(0, holder.lines - after) :]
        if not lines:
            return holder.lines
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
        if counts != NOTHING and stored <= 0:
            more = {f"{name}_bytes": F(f"{name}_bytes") + count for name, count in counts.facts().items()}
            Run.objects.filter(pk=run).update(**more)
        holder.lines += len(lines)
        holder.save(update_fields=["lines"])
        return holder.lines
