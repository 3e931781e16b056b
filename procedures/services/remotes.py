"""Tasks of which nobody knows whether they still run on their target, until a runner has looked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.db import transaction

from procedures.domain.ids import since
from procedures.domain.ports import Lease
from procedures.domain.states import RunState
from procedures.evidence.record import record
from procedures.models import LeaseRecord, Run, Task
from procedures.services import leases

KEPT = timedelta(days=1)  # so long runners try to reach a host of which nothing is known
OVERDUE = timedelta(minutes=2)  # a lease to look lives for one
LONGEST = timedelta(days=7)  # a run that was asked for earlier than that is not looked at
BEGUN = [RunState.INTERRUPTED, RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELED, RunState.SUCCEEDED]


def unknown(environments: Sequence[str], *, at: datetime) -> list[Task]:
    """Tasks of ended runs in these environments that may still run somewhere, oldest first."""
    runs = Run.objects.filter(
        state__in=BEGUN, id__gt=since(at - KEPT - LONGEST), ended_at__gt=at - KEPT, environment__in=environments
    )
    rows = Task.objects.filter(run__in=runs, remote="unknown").exclude(target="")
    return list(rows.select_related("run", "run__environment", "run__procedure", "run__requester").order_by("id")[:100])


def mark_of(task: Task) -> str | None:
    """The digest that the task's processes carry; empty: no credential was lent, so nothing was sent; None: no mark."""
    rows = task.run.leases.filter(step=task.step, target=task.target, attempt=task.attempt)
    lease = rows.exclude(issued_at=None).order_by("-id").first()
    if lease is not None:
        found = lease.facts.get("command_sha256")
        return None if found is None else str(found)
    return "" if rows.exists() else None


def tell(*, task: UUID, remote: Literal["dead", "unknown"], why: str, runner: UUID, at: datetime) -> None:
    """Record what a runner found out, or why it did not; the same answer again is no news."""
    with transaction.atomic(durable=True):
        row = Task.objects.select_for_update(of=("self",)).select_related("run").get(pk=task)
        if row.remote != "unknown":
            return
        if remote == "unknown" and row.facts.get("looked") == why:
            return
        Task.objects.filter(pk=task).update(remote=remote, facts={**row.facts, "looked": why})
        facts = {"task": str(task), "step": row.step, "target": row.target, "remote": remote, "why": why}
        _note("task.looked_for", row.run, {**facts, "runner": str(runner)}, at)


def intended(*, id: UUID, task: Task, credential: str, provider: str, at: datetime) -> None:
    """A lease only to look for what a lost step left behind. Its run is sealed, so its events stand beside it.

    Safe to repeat, as what follows it is.
    """
    with transaction.atomic(durable=True):
        if LeaseRecord.objects.filter(pk=id).exists():
            return
        LeaseRecord.objects.create(
            id=id,
            run=task.run,
            step=task.step,
            target=task.target,
            attempt=0,
            credential=credential,
            provider=provider,
            state=LeaseRecord.State.INTENT,
            intended_at=at,
        )
        facts = {"lease": str(id), "step": task.step, "target": task.target, "attempt": 0}
        _note("lease.intent", task.run, {**facts, "credential": credential, "provider": provider}, at)


def issued(*, lease: Lease, task: Task, apart: bool, at: datetime) -> None:
    with transaction.atomic(durable=True):
        meant = LeaseRecord.objects.filter(pk=lease.id, state=LeaseRecord.State.INTENT)
        if not meant.update(
            state=LeaseRecord.State.ISSUED,
            handle=lease.handle,
            facts=lease.evidence,
            issued_at=lease.issued_at,
            expires_at=lease.expires_at,
        ):
            return
        facts: dict[str, Any] = {"lease": str(lease.id), "step": task.step, "target": task.target}
        until = lease.expires_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        facts |= {"evidence": lease.evidence, "expires_at": until, "issuer": leases.told(apart=apart)}
        _note("lease.issued", task.run, facts, at)


def revoked(*, lease: UUID, run: Run, how: str, at: datetime, why: str = "what was lost was looked for") -> None:
    with transaction.atomic(durable=True):
        open_one = LeaseRecord.objects.filter(pk=lease).exclude(state=LeaseRecord.State.REVOKED)
        if open_one.update(state=LeaseRecord.State.REVOKED, ended_at=at):
            facts = {"lease": str(lease), "how": how, "why": why}
            _note("lease.revoked", run, facts, at)


def end_overdue(*, at: datetime) -> int:
    """End leases of ended runs whose runner died with them in hand; they have expired by themselves."""
    rows = LeaseRecord.objects.filter(id__gt=since(at - KEPT)).exclude(state=LeaseRecord.State.REVOKED)
    overdue = rows.filter(run__ended_at__isnull=False, intended_at__lt=at - OVERDUE).select_related("run")[:100]
    for row in overdue:
        revoked(lease=row.pk, run=row.run, how="expires-only", at=at)
    return len(overdue)


def _note(kind: str, run: Run, facts: dict[str, Any], at: datetime) -> None:
    record(kind, actor=None, at=at, procedure=run.procedure_id, facts={**facts, "of_run": str(run.pk), "for": "lost"})
