"""Secret results that the portal keeps: handed out as they are, which it cannot open, on record, and gone in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from procedures import access
from procedures.domain import results
from procedures.domain.errors import IllegalState, NotAllowed, NotFound
from procedures.evidence.record import record
from procedures.models import Person, SecretResult
from procedures.queries.legal_holds import held_runs, over_run
from procedures.services.legal_holds import UnderHold, said
from procedures.services.unit import thing

AT_ONCE = 100
GONE = {
    results.TAKEN: "was picked up",
    results.EXPIRED: "expired",
    results.ERASED: "was erased",
    results.DELIVERED: "lies where it was sent, and not here",
    results.UNDELIVERED: "is nowhere",
    results.SENDING: "was on its way to its place, and not kept here",
}


class ResultGone(IllegalState):
    """The portal does not have it, or no longer."""

    code = "result.gone"
    next_step = "Look at the run for where it went. What is lost is made again by another run."


@thing
def fetch_result(*, actor: Person, run: UUID, result: UUID, at: datetime) -> tuple[SecretResult, bytes]:
    """The result and its age file, which its recipients alone open. One that is to be picked up once is gone after it.

    Raises NotAllowed, NotFound, ResultGone.
    """
    row = _found(run, result)
    _require_reader(actor, row, at)
    content = _content(row, at)
    kind = "result.read"
    if row.deliver == "once":
        kind = "result.picked_up"
        _end(row, results.TAKEN, at)
    record(kind, actor=actor.subject, at=at, procedure=row.run.procedure_id, facts=_facts(row))
    return row, content


@thing
def erase_result(*, actor: Person, run: UUID, result: UUID, reason: str, at: datetime) -> SecretResult:
    """Nobody reads it any more: said by whoever asked for the run, or whoever decides who may read.

    Raises NotAllowed, NotFound, ResultGone.
    """
    row = _found(run, result)
    if not _own(actor, row):
        about = {"procedure": row.run.procedure, "environment": row.run.environment}
        access.require(actor, "manage_access", at=at, **about)
    _content(row, at)
    if holds := over_run(row.run_id):
        raise UnderHold(f"{row.name} {said(holds)}.")
    _end(row, results.ERASED, at)
    facts = {**_facts(row), "reason": reason}
    record("result.erased", actor=actor.subject, at=at, procedure=row.run.procedure_id, facts=facts)
    return row


def expire_results(*, at: datetime, keeps: Callable[[UUID], bool]) -> int:
    """Erase what waited for too long. Returns how many; safe to repeat and to run beside another sweeper.

    `keeps`: whether the log says that a hold lives over this run, whatever the table of holds says.
    """
    done = 0
    due = SecretResult.objects.filter(state=results.KEPT, expires_at__lte=at).exclude(run__in=held_runs())
    for pk, run in list(due.values_list("pk", "run_id")[:AT_ONCE]):
        if keeps(run):
            continue
        with transaction.atomic(durable=True):
            row = SecretResult.objects.select_related("run").get(pk=pk)
            if _ended(row, results.EXPIRED, at):
                record("result.expired", actor=None, at=at, procedure=row.run.procedure_id, facts=_facts(row))
                done += 1
    return done


def _found(run: UUID, result: UUID) -> SecretResult:
    row = SecretResult.objects.select_related("run__procedure", "run__environment").filter(pk=result).first()
    if row is None or row.run_id != run:
        raise NotFound("There is no such result.")
    return row


def _own(actor: Person, row: SecretResult) -> bool:
    own = row.run.requester_id == actor.pk
    return own and access.within(actor, "read_output", row.run.procedure.name, row.run.environment_id)


def _require_reader(actor: Person, row: SecretResult, at: datetime) -> None:
    """Raises NotAllowed: what is handed over once is its requester's, whoever else may read the output."""
    if _own(actor, row):
        return
    if row.deliver == "once":
        raise NotAllowed(f"{row.name} is for whoever asked for run #{row.run.no}, and for nobody else.")
    access.require(actor, "read_output", at=at, procedure=row.run.procedure, environment=row.run.environment)


def _content(row: SecretResult, at: datetime) -> bytes:
    """Raises ResultGone."""
    if row.state != results.KEPT or row.content is None:
        when = f" on {row.ended_at:%Y-%m-%d %H:%M} UTC" if row.ended_at else ""
        raise ResultGone(f"{row.name} {GONE.get(row.state, 'is not here')}{when}.")
    if row.expires_at is not None and row.expires_at <= at:
        raise ResultGone(f"{row.name} expired on {row.expires_at:%Y-%m-%d %H:%M} UTC.")
    return bytes(row.content)


def _end(row: SecretResult, state: str, at: datetime) -> None:
    """Raises ResultGone where somebody else was first."""
    if not _ended(row, state, at):
        raise ResultGone(f"{row.name} was handed out or erased a moment ago.")


def _ended(row: SecretResult, state: str, at: datetime) -> bool:
    kept = SecretResult.objects.filter(pk=row.pk, state=results.KEPT)
    done = bool(kept.update(state=state, content=None, ended_at=at))
    if done:
        row.state, row.content, row.ended_at = state, None, at
    return done


def _facts(row: SecretResult) -> dict[str, Any]:
    """What events say of it. They stand beside the run, which may have been sealed long ago."""
    return {"result": str(row.id), "run": str(row.run_id), "name": row.name, "sha256": row.content_sha256}
