"""The ledger of leases: intent before the side effect, issued after it, revoked at the end, each with its event."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from procedures.domain.ports import Lease
from procedures.models import LeaseRecord, Run
from procedures.services.run_states import note
from procedures.services.steady import steadily


def intended(
    *, id: UUID, run: UUID, step: str, target: str, attempt: int, credential: str, provider: str, at: datetime
) -> None:
    """Written down before the side effect; once, however often it is said."""
    with transaction.atomic(durable=True):
        row = Run.objects.get(pk=run)
        if LeaseRecord.objects.filter(pk=id).exists():
            return
        LeaseRecord.objects.create(
            id=id,
            run=row,
            step=step,
            target=target,
            attempt=attempt,
            credential=credential,
            provider=provider,
            state=LeaseRecord.State.INTENT,
            intended_at=at,
        )
        note(
            "lease.intent",
            row,
            at=at,
            actor=None,
            facts={
                "lease": str(id),
                "step": step,
                "target": target,
                "attempt": attempt,
                "credential": credential,
                "provider": provider,
            },
        )


def issued(*, lease: Lease, at: datetime) -> None:
    with transaction.atomic(durable=True):
        row = LeaseRecord.objects.select_related("run").get(pk=lease.id)
        if row.state != LeaseRecord.State.INTENT:
            return
        LeaseRecord.objects.filter(pk=lease.id).update(
            state=LeaseRecord.State.ISSUED,
            handle=lease.handle,
            facts=lease.evidence,
            issued_at=lease.issued_at,
            expires_at=lease.expires_at,
        )
        note(
            "lease.issued",
            row.run,
            at=at,
            actor=None,
            facts={
                "lease": str(lease.id),
                "step": row.step,
                "target": row.target,
                "provider": lease.provider,
                "self_expiring": lease.self_expiring,
                "kills_sessions": lease.kills_sessions,
                "evidence": lease.evidence,
                "expires_at": lease.expires_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        )


def revoked(*, lease: UUID, how: str, why: str, at: datetime) -> None:
    """Give a lease back; nothing happens if the sweeper did so before."""
    steadily(lambda: _revoked(lease, how, why, at))


def unissued(*, lease: UUID, at: datetime) -> None:
    """What was meant to be lent and never was, for whatever reason: nothing stays open."""
    if LeaseRecord.objects.filter(pk=lease, state=LeaseRecord.State.INTENT).exists():
        revoked(lease=lease, how="never-issued", why="it was not issued", at=at)


def _revoked(lease: UUID, how: str, why: str, at: datetime) -> None:
    with transaction.atomic(durable=True):
        row = LeaseRecord.objects.select_for_update(of=("self",)).select_related("run").get(pk=lease)
        if row.state == LeaseRecord.State.REVOKED or row.run.ended_at is not None:
            return
        LeaseRecord.objects.filter(pk=lease).update(state=LeaseRecord.State.REVOKED, ended_at=at)
        note("lease.revoked", row.run, at=at, actor=None, facts={"lease": str(lease), "how": how, "why": why})


def refused(*, run: UUID, step: str, target: str, credential: str, why: str, at: datetime) -> None:
    with transaction.atomic(durable=True):
        row = Run.objects.get(pk=run)
        note(
            "lease.refused",
            row,
            at=at,
            actor=None,
            facts={"step": step, "target": target, "credential": credential, "why": why},
        )
