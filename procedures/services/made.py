"""Secret results as their runner hands them over: on record with the task that made them, in clear nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from procedures.domain import results
from procedures.domain.canonical import moment, sha256_hex
from procedures.domain.ids import uuid7
from procedures.domain.results import Recipient, ResultNeed
from procedures.models import Run, SecretResult, Task
from procedures.services.holding import hold_part
from procedures.services.run_states import note
from procedures.services.steady import steadily

KINDS = {
    results.KEPT: "result.kept",
    results.SENDING: "result.sending",
    results.DELIVERED: "result.delivered",
    results.UNDELIVERED: "result.undelivered",
}


@dataclass(frozen=True, slots=True)
class Made:
    """One secret result and where it is: `content` is an age file, `why` says what kept it from its place."""

    need: ResultNeed
    where: str
    state: str
    content: bytes | None = None
    recipients: tuple[Recipient, ...] = ()
    why: str = ""
    id: UUID = field(default_factory=uuid7)

    def facts(self) -> dict[str, Any]:
        """What the runner signs of it, and what is evidence; no value and no digest of one."""
        told: dict[str, Any] = {
            "result": str(self.id),
            "name": self.need.name,
            "deliver": self.need.deliver,
            "where": self.where,
            "state": self.state,
        }
        if self.content is not None:
            told |= {"sha256": sha256_hex(self.content), "recipients": [[one.who, one.key] for one in self.recipients]}
        return told | ({"why": self.why} if self.why else {})


def sending(*, run: UUID, token: UUID, task: Task, made: Made, at: datetime) -> None:
    """Record that a result is about to leave for its place, before it does."""

    def begin() -> None:
        with transaction.atomic(durable=True):
            row = hold_part(run, token)
            if not SecretResult.objects.filter(pk=made.id).exists():
                _make(row, task, made, at)

    steadily(begin)


def keep(run: Run, task: Task, made: Sequence[Made], at: datetime) -> None:
    """Write what became of each result; call inside the transaction that records how its task ended."""
    for one in made:
        begun = SecretResult.objects.filter(pk=one.id, state=results.SENDING)
        if begun.update(state=one.state, why=one.why, ended_at=at):
            _note(run, task, one, at)
        else:
            _make(run, task, one, at)


def _make(run: Run, task: Task, made: Made, at: datetime) -> None:
    kept = made.content is not None
    SecretResult.objects.create(
        id=made.id,
        run=run,
        task=task,
        name=made.need.name,
        deliver=made.need.deliver,
        classification=made.need.classification,
        where=made.where,
        state=made.state,
        why=made.why,
        recipients=[[one.who, one.key] for one in made.recipients],
        content=made.content,
        content_sha256=sha256_hex(made.content) if made.content is not None else "",
        made_at=at,
        expires_at=at + timedelta(seconds=made.need.keep_s) if kept else None,
        ended_at=None if kept or made.state == results.SENDING else at,
    )
    _note(run, task, made, at)


def _note(run: Run, task: Task, made: Made, at: datetime) -> None:
    facts = {**made.facts(), "task": str(task.id)}
    if made.content is not None:
        facts["expires_at"] = moment(at + timedelta(seconds=made.need.keep_s))
    note(KINDS[made.state], run, at=at, actor=None, facts=facts)
