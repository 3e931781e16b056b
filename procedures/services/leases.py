"""The ledger of leases: intent before the side effect, issued after it, revoked at the end, each with its event."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from procedures.domain.canonical import moment
from procedures.domain.ids import since
from procedures.domain.lending import Lend
from procedures.domain.ports import Lease
from procedures.domain.states import TaskState
from procedures.evidence.queries import facts_of_run
from procedures.evidence.record import record
from procedures.models import Claim, LeaseRecord, Run, StepBatch, Task
from procedures.services import telling
from procedures.services.run_states import note
from procedures.services.steady import steadily

KEPT = timedelta(days=2)  # no lease lives longer than one
MOST = 200


def intended(*, id: UUID, asked: Lend, provider: str, at: datetime) -> None:
    """Written down before the side effect; once, however often it is said."""
    facts: dict[str, Any] = {
        "step": asked.step,
        "target": asked.target,
        "attempt": asked.attempt,
        "credential": asked.credential,
        "provider": provider,
    }
    with transaction.atomic(durable=True):
        row = Run.objects.get(pk=asked.run)
        if LeaseRecord.objects.filter(pk=id).exists():
            return
        LeaseRecord.objects.create(id=id, run=row, state=LeaseRecord.State.INTENT, intended_at=at, **facts)
        note("lease.intent", row, at=at, actor=None, facts={"lease": str(id), **facts})


def issued(*, lease: Lease, apart: bool, at: datetime) -> bool:
    """False if it was given up while it was being made: nobody may use it then.

    `apart`: the issuer is a process of its own, so that whoever takes the runner over holds no authority.
    """
    with transaction.atomic(durable=True):
        row = LeaseRecord.objects.select_related("run").get(pk=lease.id)
        if row.state != LeaseRecord.State.INTENT:
            return row.state == LeaseRecord.State.ISSUED
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
                "issuer": told(apart=apart),
            },
        )
        return True


def renewed(*, lease: UUID, expires_at: datetime, at: datetime) -> bool:
    """False if it is not in anybody's hands any more."""
    with transaction.atomic(durable=True):
        row = LeaseRecord.objects.select_for_update(of=("self",)).select_related("run").get(pk=lease)
        if row.state != LeaseRecord.State.ISSUED or row.run.ended_at is not None:
            return False
        LeaseRecord.objects.filter(pk=lease).update(expires_at=expires_at)
        was, until = (moment(one) if one else "" for one in (row.expires_at, expires_at))
        note("lease.renewed", row.run, at=at, actor=None, facts={"lease": str(lease), "was": was, "expires_at": until})
        return True


def told(*, apart: bool) -> str:
    """As evidence says where the issuer was."""
    return "apart" if apart else "with its runner"


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


def refused(
    *,
    run: UUID,
    step: str,
    target: str,
    credential: str,
    why: str,
    at: datetime,
    stranger: bool = False,
    once: bool = False,
) -> None:
    """Each refusal is evidence. One of a `stranger` is told to security. That, and what is said `once`, stands in the
    log once for each run and reason: whoever asks again and again fills no log.
    """
    facts = {"step": step, "target": target, "credential": credential, "why": why}
    with transaction.atomic(durable=True):
        row = Run.objects.select_related("environment", "procedure").filter(pk=run).first()
        if row is None or ((stranger or once) and _said(run, why)):
            return
        if row.ended_at is not None:
            record("lease.refused", actor=None, at=at, procedure=row.procedure_id, facts={**facts, "of_run": str(run)})
        else:
            note("lease.refused", row, at=at, actor=None, facts=facts)
        if stranger and (claim := Claim.objects.select_related("runner").filter(run=row).first()) is not None:
            telling.runner_refused(row, claim.runner, at=at)


def _said(run: UUID, why: str) -> bool:
    return any(fact.kind == "lease.refused" and fact.facts["why"] == why for fact in facts_of_run(run))


def left_open(environments: Collection[str], *, at: datetime) -> list[LeaseRecord]:
    """Leases there that nobody can have in hand any more: their run or their task is over, or none was ever issued.

    What is younger than three silences of a runner may be under way in another process. A lease to look has its own
    time (remotes).
    """
    young = timedelta(seconds=3 * settings.OPSPORTAL_HEARTBEAT_LOST_S)
    rows = LeaseRecord.objects.filter(id__gt=since(at - KEPT), run__environment__in=environments, attempt__gt=0)
    rows = rows.exclude(state=LeaseRecord.State.REVOKED).filter(intended_at__lt=at - young)
    mine = Task.objects.filter(run=OuterRef("run"), step=OuterRef("step"), target=OuterRef("target"))
    works = mine.filter(attempt=OuterRef("attempt"), state=TaskState.RUNNING.value)
    over = Q(run__ended_at__isnull=False) | Q(run__claim__isnull=True) | ~Exists(works)
    found = rows.filter(over | Q(state=LeaseRecord.State.INTENT)).select_related("run").order_by("id")
    return list(found[:MOST])


def holders(run: Run) -> set[UUID]:
    """Runners that have this run, or a batch of it, in hand now."""
    claim = Claim.objects.filter(run=run).first()
    if claim is None:
        return set()
    taken = StepBatch.objects.filter(run=run, claim=claim.token, state=StepBatch.State.TAKEN)
    return {claim.runner_id, *(runner for runner in taken.values_list("runner_id", flat=True) if runner)}


def handles(provider: str, environments: Collection[str], *, at: datetime) -> list[str]:
    """Handles of what this provider lent there lately and the ledger holds as open."""
    rows = LeaseRecord.objects.filter(id__gt=since(at - KEPT), provider=provider, run__environment__in=environments)
    return list(rows.filter(state=LeaseRecord.State.ISSUED).values_list("handle", flat=True))


def unknown(provider: str, left: Collection[str], environments: Collection[str], *, at: datetime) -> int:
    """Leftovers that a provider ended and no lease of the ledger ever was: each is an event, and security is told."""
    known = set(LeaseRecord.objects.filter(handle__in=left).values_list("handle", flat=True))
    strange = sorted(set(left) - known)
    with transaction.atomic(durable=True):
        for handle in strange[:MOST]:
            facts = {"provider": provider, "handle": handle, "environment": handle.partition(" ")[0]}
            record("lease.unknown", actor=None, at=at, facts=facts)
        if strange:
            telling.unknown_leases(provider, ", ".join(sorted(environments)), len(strange), at=at)
    return len(strange)
