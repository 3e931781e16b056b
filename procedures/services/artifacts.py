"""Artifacts: kept with the task that made them, read on the record, gone when their time is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from procedures import access
from procedures.domain.canonical import sha256_hex
from procedures.domain.errors import IllegalState, NotFound
from procedures.evidence.record import record
from procedures.models import Artifact, Person, Run, Task
from procedures.queries import auditing
from procedures.queries.legal_holds import held_runs
from procedures.services.unit import thing

AT_ONCE = 100


class ArtifactGone(IllegalState):
    """The bytes were erased when their retention was over; the hash stays in the evidence."""

    code = "artifact.gone"
    next_step = "Run the procedure again, or ask whoever kept a copy; its SHA-256 tells whether it is the same."


@dataclass(frozen=True, slots=True)
class Kept:
    """A file as it is to be stored: masked already."""

    name: str
    type: str
    content: bytes
    masked: bool
    retention_s: int

    def facts(self) -> dict[str, Any]:
        """What the runner signs of it."""
        return {
            "name": self.name,
            "type": self.type,
            "sha256": sha256_hex(self.content),
            "bytes": len(self.content),
            "masked": self.masked,
        }


def store(run: Run, task: Task, kept: Sequence[Kept], at: datetime) -> None:
    """Write the files of one task; call inside the transaction that records how it ended."""
    Artifact.objects.bulk_create(
        Artifact(
            run=run,
            task=task,
            name=one.name,
            type=one.type,
            size_bytes=len(one.content),
            content_sha256=sha256_hex(one.content),
            masked=one.masked,
            content=one.content,
            made_at=at,
            expires_at=at + timedelta(seconds=one.retention_s),
        )
        for one in kept
    )


def stored_bytes(run: UUID) -> int:
    """How much a run has stored so far."""
    return int(Artifact.objects.filter(run_id=run).aggregate(total=Sum("size_bytes"))["total"] or 0)


@thing
def read_artifact(*, actor: Person, run: UUID, artifact: UUID, at: datetime) -> Artifact:
    """One file, for who may read what the run printed; that it was read is evidence.

    Raises NotAllowed, NotFound, ArtifactGone.
    """
    row = Artifact.objects.select_related("run__procedure", "run__environment").filter(pk=artifact).first()
    if row is None or row.run_id != run:
        raise NotFound("There is no such artifact.")
    about = row.run
    own = about.requester_id == actor.pk
    own = own and access.within(actor, "read_output", about.procedure.name, about.environment_id)
    if not own and not auditing.audits_run(actor, about, at):
        access.require(actor, "read_output", at=at, procedure=about.procedure, environment=about.environment)
    if row.content is None:
        raise ArtifactGone(f"{row.name} was erased on {row.erased_at:%Y-%m-%d}.")
    record("artifact.read", actor=actor.subject, at=at, procedure=about.procedure_id, facts=_facts(row))
    return row


def _facts(row: Artifact) -> dict[str, Any]:
    """What events say of a file. They stand beside the run, which was sealed long ago."""
    return {"artifact": str(row.id), "run": str(row.run_id), "name": row.name, "sha256": row.content_sha256}


def erase_of(run: Run, *, at: datetime) -> None:
    """Erase what a run that is purged had left; their hashes stay. Call inside the transaction that purges it."""
    for row in Artifact.objects.filter(run=run, erased_at__isnull=True):
        Artifact.objects.filter(pk=row.pk).update(content=None, erased_at=at)
        facts = {**_facts(row), "why": "purge"}
        record("artifact.erased", actor=None, at=at, procedure=run.procedure_id, facts=facts)


def erase_expired(*, at: datetime, keeps: Callable[[UUID], bool]) -> int:
    """Erase the bytes whose retention is over and that no legal hold keeps; their hash stays. Returns how many.

    `keeps`: whether the log says that a hold lives over this run, whatever the table of holds says.
    """
    done = 0
    due = Artifact.objects.filter(expires_at__lte=at, erased_at__isnull=True).exclude(run__in=held_runs())
    for pk, run in list(due.values_list("pk", "run_id")[:AT_ONCE]):
        if keeps(run):
            continue
        with transaction.atomic(durable=True):
            row = Artifact.objects.select_related("run").get(pk=pk)
            if not Artifact.objects.filter(pk=pk, erased_at__isnull=True).update(content=None, erased_at=at):
                continue
            facts = {**_facts(row), "why": "retention"}
            record("artifact.erased", actor=None, at=at, procedure=row.run.procedure_id, facts=facts)
            done += 1
    return done
