"""Purging: after its date nothing of a run goes by itself. Two people who stand behind none of the runs agree to it.

A row says that they did, and is not believed: before anything goes, whoever sweeps asks the log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from procedures import access
from procedures.domain.clock import now
from procedures.domain.redaction_shape import MOST_RUNS
from procedures.evidence import erase
from procedures.evidence.record import record
from procedures.models import (
    Approval,
    Artifact,
    ControlChange,
    GateAnswer,
    GlassBreak,
    LogChunk,
    Person,
    PreApprovalUse,
    Purge,
    Run,
    RunComment,
    SecretResult,
    Task,
)
from procedures.queries import deciding, legal_holds, retention
from procedures.services.artifacts import erase_of
from procedures.services.legal_holds import said

log = structlog.get_logger(__name__)
ERASED = "(erased)"
TOLD = 20
AGREE = 2
TOO_FEW = (
    "leave fewer than two people who manage access and stand behind none of these runs: name fewer runs, or make "
    "somebody else an access manager for as long as it takes"
)
AT_ONCE = 50
AGAIN_AFTER = timedelta(minutes=10)  # what the log did not bear out is judged again: a hold may have ended
REACHED = {Approval, Artifact, GateAnswer, LogChunk, Purge, RunComment, Task}

Problem = tuple[str, str]
Judge = Callable[[UUID, UUID], str]  # run, change → why the log does not let the run go; empty where it does


def problems(object: Mapping[str, Any]) -> list[Problem]:
    """(pointer, message) for each reason why these runs cannot be purged now, the first of them."""
    runs = {UUID(one): index for index, one in enumerate(object["runs"])}
    found = [(f"/object/runs/{runs[run]}", why) for run, why in _refused(runs, now())]
    behind = retention.behind(runs)
    if not found and set(object["behind"]) != behind:
        found.append(("/object/behind", "are not those who stand behind these runs: ask for the list anew"))
    if not found and len(_deciders(now()) - behind) < AGREE:
        found.append(("/object/behind", TOO_FEW))
    return found[:TOLD]


def _deciders(at: datetime) -> set[str]:
    """Subjects of whoever could agree to a purge, if they stood behind none of its runs."""
    return {str(one.subject) for one in deciding.people("redaction", {}, at=at)}


def _refused(runs: Collection[UUID], at: datetime) -> Iterator[tuple[UUID, str]]:
    over = set(retention.past_their_date(at).filter(pk__in=runs).values_list("pk", flat=True))
    dates = {run.pk: run for run in Run.objects.filter(pk__in=set(runs) - over).only("no", *retention.DATED)[:TOLD]}
    for run in runs:
        if run not in over:
            yield run, _early(dates[run]) if run in dates else "there is no such run, or it is to be kept"
    told = Purge.objects.filter(run__in=runs, change__in=ControlChange.objects.values("pk"), problem="")
    for purge in told[:TOLD]:
        yield purge.run_id, "was purged already"
    for held in legal_holds.held_runs().filter(pk__in=runs)[:TOLD]:
        yield held.pk, said(legal_holds.over_run(held.pk))
    later = Run.objects.filter(continues__in=runs, purge__isnull=True).exclude(pk__in=runs)
    for row in later.only("no", "continues_id")[:TOLD]:
        assert row.continues_id is not None  # noqa: S101 - that is what was asked for
        yield row.continues_id, f"run #{row.no} goes on with it and is kept"
    uses = PreApprovalUse.objects.filter(run__in=runs, pre_approval__not_after_at__gt=at)
    for run in uses.values_list("run", flat=True):
        yield run, "counts for an approval given ahead that still holds"
    for run in GlassBreak.objects.filter(run__in=runs, reviewed_at__isnull=True).values_list("run", flat=True):
        yield run, "broke the glass, and nobody has reviewed that"
    for run in SecretResult.objects.filter(run__in=runs, content__isnull=False).values_list("run", flat=True):
        yield run, "has a secret result that waits to be picked up"


def _early(run: Run) -> str:
    date = retention.kept_until(run)
    return f"is kept until {date:%Y-%m-%d %H:%M} UTC (run #{run.no})" if date else f"has not ended (run #{run.no})"


def proposed(*, actor: Person, procedure: str, at: datetime) -> dict[str, Any]:
    """What `due` says, for auditors and access managers. Raises NotAllowed."""
    overview(actor=actor, at=at)
    return due(procedure, at)


def due(procedure: str, at: datetime) -> dict[str, Any]:
    """What a purge of runs past their date would say: the oldest that nothing keeps, of a procedure if one is named.

    Those for which no two people would be left to agree are for another purge, by others.
    """
    rows = retention.still_here(at).exclude(pk__in=legal_holds.held_runs().values("pk"))
    if procedure:
        rows = rows.filter(procedure__name=procedure)
    runs = list(rows.values_list("pk", flat=True)[:MOST_RUNS])
    while refused := {run for run, _ in _refused(runs, at)}:
        runs = [run for run in runs if run not in refused]
    able, each, behind, said = _deciders(at), retention.behind_each(runs), set[str](), []
    for run in runs:
        if len(able - behind - each[run]) >= AGREE:
            behind |= each[run]
            said.append(str(run))
    return {"runs": said, "behind": sorted(behind)}


def overview(*, actor: Person, at: datetime) -> retention.Overview:
    """How much is past its date and how much is gone, for auditors and access managers. Raises NotAllowed."""
    if not access.decide(actor, "audit", at=at).allowed:
        access.require(actor, "manage_access", at=at)
    return retention.overview(at)


def agree(runs: Sequence[str], change: UUID, at: datetime) -> None:
    """Two people agreed; the sweeper erases. Runs that are not there, or were agreed on before, are passed over.

    A row that the log did not bear out names this agreement from now on.
    """
    named = [UUID(run) for run in runs]
    unborne = Purge.objects.filter(run__in=named, done_at__isnull=True).exclude(problem="")
    unborne.update(change=change, agreed_at=at, problem="", looked_at=None)
    there = Run.objects.filter(pk__in=named, purge__isnull=True).values_list("pk", flat=True)
    Purge.objects.bulk_create([Purge(run_id=pk, change=change, agreed_at=at) for pk in there], batch_size=500)


def sweep(*, at: datetime, judge: Judge) -> int:
    """Erase what was agreed on and what no legal hold covers by now, each run whole. Returns how many.

    What the log does not bear out stays, and that is told once.
    """
    rests = ~Q(problem="") & Q(looked_at__gt=at - AGAIN_AFTER)
    rows = Purge.objects.filter(~rests, done_at__isnull=True).exclude(run__in=legal_holds.held_runs().values("pk"))
    done = 0
    for purge in rows.select_related("run").order_by("agreed_at", "run_id")[:AT_ONCE]:
        with transaction.atomic(durable=True):
            if why := judge(purge.run_id, purge.change):
                _stays(purge, why, at)
            else:
                done += erase_one(purge, at)
    return done


def _stays(purge: Purge, why: str, at: datetime) -> None:
    """Keep the row, with the reason; one event for each change and reason, however many runs the change names."""
    told = Purge.objects.filter(change=purge.change, problem=why[:300]).exists()
    Purge.objects.filter(pk=purge.pk).update(problem=why[:300], looked_at=at)
    if told:
        return
    count = Purge.objects.filter(change=purge.change, done_at__isnull=True).count()
    facts = {"change": str(purge.change), "run": str(purge.run_id), "count": count, "why": why}
    record("purge.refused", actor=None, at=at, facts=facts)
    log.warning("purge.refused", **facts)


def erase_agreed(runs: Collection[UUID], at: datetime) -> None:
    """Erase these runs, whatever hold lives: for a database that was restored, inside its transaction."""
    for purge in Purge.objects.filter(done_at__isnull=True, run__in=runs).select_related("run"):
        erase_one(purge, at)


def erase_one(purge: Purge, at: datetime) -> int:
    """Leave of a run its number, its people, its states and its digests."""
    run = purge.run
    if not Purge.objects.filter(pk=purge.pk, done_at__isnull=True).update(done_at=at):
        return 0
    erase_of(run, at=at)
    LogChunk.objects.filter(run=run).delete()
    Task.objects.filter(run=run).update(output={}, facts={}, message="", transcript_seed=None)
    Approval.objects.filter(run=run).update(comment="", statement=b"", signatures=[])
    GateAnswer.objects.filter(run=run).update(values={})
    if RunComment.objects.filter(run=run).update(body=ERASED, untold=[]):
        erase.erase_comments(run.pk, procedure=run.procedure_id, at=at)
    erase.erase_run(run.pk, at=at)
    emptied: dict[str, Any] = {"parameters": {}, "output": {}, "narrowed_to": [], "sealed_secrets": {}, "plan": b""}
    emptied |= {"answered_plan": None, "message": "", "pause_reason": "", "reason": ERASED if run.reason else ""}
    Run.objects.filter(pk=run.pk).update(**emptied)
    return 1
