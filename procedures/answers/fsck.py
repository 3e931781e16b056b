"""The whole check of evidence: the log by itself, what others keep of it, and the live tables against it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from procedures.answers.drift import drift
from procedures.domain.states import TERMINAL_RUN_STATES
from procedures.evidence import check
from procedures.evidence.cold import leniently
from procedures.evidence.events import SEALS
from procedures.evidence.findings import Finding
from procedures.evidence.models import Event
from procedures.evidence.transcripts import Commitments
from procedures.models import Approval, LeaseRecord, LogChunk, Run, Task, Version

CHUNK = 500
ENDED = sorted(state.value for state in TERMINAL_RUN_STATES)
DECIDED = ("run.approved", "run.turned_down", "run.approval_carried")


def findings(at: datetime) -> Iterator[Finding]:
    """Everything that does not fit, one by one; nothing on an honest portal. Holds no more than one batch of rows."""
    kept = check.kept_outside()
    with leniently(), _snapshot():
        yield from check.itself()
        yield from check.outside(kept)
        yield from _runs()
        yield from _versions()
        yield from _leases()
        yield from _approvals()
        yield from _outputs()
        yield from (Finding(f"live.{one.kind}", f"{one.kind} {one.what} {one.says}.") for one in drift(at))


@contextmanager
def _snapshot() -> Iterator[None]:
    """Everything is read as it stands at one moment, while the portal goes on; nothing is locked."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
    else:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")


def _runs() -> Iterator[Finding]:
    asked = Event.objects.filter(kind="run.requested")
    for run in Run.objects.filter(~Exists(asked.filter(run=OuterRef("pk")))).order_by("no").iterator(CHUNK):
        yield Finding("live.run", f"Run {run.no} stands in the table, and no event asked for it.")
    gone = asked.filter(~Exists(Run.objects.filter(pk=OuterRef("run"))))
    for id in gone.order_by("id").values_list("run", flat=True).iterator(CHUNK):
        yield Finding("gone.run", f"The evidence holds the run {id}, and the table does not.")
    seals = Event.objects.filter(kind__in=SEALS).order_by("id").values_list("run", "header")
    for chunk in _chunks(seals.iterator(CHUNK)):
        states = dict(Run.objects.filter(pk__in=[run for run, _ in chunk]).values_list("id", "state"))
        for run, header in chunk:
            said = _facts(header).get("o")
            if run in states and states[run] != said:
                yield Finding("live.run", f"Run {run} is {states[run]} in the table and {said} in the evidence.")
    unsealed = Run.objects.filter(state__in=ENDED).filter(
        ~Exists(Event.objects.filter(kind__in=SEALS, run=OuterRef("pk")))
    )
    for run in unsealed.order_by("no").iterator(CHUNK):
        yield Finding("live.run", f"Run {run.no} is {run.state} in the table, and no seal ended it.")


def _versions() -> Iterator[Finding]:
    """Versions are few, so their ids are held at once."""
    handed_in = _named("version", "version.submitted", "version.drafted")
    accepted = _named("version", "version.accepted")
    for row in Version.objects.order_by("id").only("id", "state").iterator(CHUNK):
        if str(row.pk) not in handed_in:
            yield Finding("live.version", f"Version {row.pk} stands in the table, and no event handed it in.")
        elif row.state == "accepted" and str(row.pk) not in accepted:
            yield Finding("live.version", f"Version {row.pk} is accepted in the table and not in the evidence.")
    there = {str(id) for id in Version.objects.values_list("id", flat=True)}
    for id in sorted(handed_in - there):
        yield Finding("gone.version", f"The evidence holds the version {id}, and the table does not.")


def _leases() -> Iterator[Finding]:
    rows = LeaseRecord.objects.filter(run__purge__isnull=True).order_by("id").values_list("id", "run_id")
    for chunk in _chunks(rows.iterator(CHUNK)):
        meant = _named("lease", "lease.intent", runs={run for _, run in chunk})
        for id, run in chunk:
            if str(id) not in meant:
                yield Finding("live.lease", f"Lease {id} of run {run} stands in the table, and no event meant it.")
    events = Event.objects.filter(kind="lease.intent").exclude(body=b"").order_by("id").values_list("run", "body")
    for chunk in _chunks(events.iterator(CHUNK)):
        said = {str(_facts(body).get("lease")) for _, body in chunk}
        there = {str(id) for id in LeaseRecord.objects.filter(pk__in=said).values_list("id", flat=True)}
        for id in sorted(said - there):
            yield Finding("gone.lease", f"The evidence holds the lease {id}, and the table does not.")


def _approvals() -> Iterator[Finding]:
    said = Event.objects.filter(kind__in=DECIDED, run=OuterRef("run"), actor=OuterRef("approver__subject"))
    for row in Approval.objects.filter(~Exists(said)).order_by("id").iterator(CHUNK):
        yield Finding("live.approval", f"Approval {row.pk} of run {row.run_id} stands in the table without its event.")


def _outputs() -> Iterator[Finding]:
    """What is kept of each task's output against what its runner signed of it."""
    events = Event.objects.filter(kind="task.finished").order_by("id").values_list("run", "body")
    for chunk in _chunks(events.iterator(CHUNK)):
        told = [(run, _facts(body)) for run, body in chunk]
        signed = {str(facts.get("task")): (run, facts["transcript"]) for run, facts in told if _has_seed(facts)}
        tasks = Task.objects.filter(pk__in=signed, transcript_seed__isnull=False)
        kept = {id: Commitments(bytes(seed or b"")) for id, seed in tasks.values_list("id", "transcript_seed")}
        lines = LogChunk.objects.filter(task__in=kept).order_by("task", "seq").values_list("task", "stream", "text")
        for id, stream, text in lines.iterator(CHUNK):
            kept[id].add(stream, text)
        found = {str(id): one.facts() for id, one in kept.items()}
        for task, (run, said) in signed.items():
            if found.get(task) != {name: said.get(name) for name in ("root", "chunks", "seed")}:
                yield Finding("output", f"The output of task {task} of run {run} is not what its runner signed.")


def _has_seed(facts: Mapping[str, Any]) -> bool:
    """Not so where nobody can work out again what was signed: of output from before there were seeds."""
    if not isinstance(facts.get("transcript"), dict) or "seed" not in facts["transcript"]:
        return False
    with suppress(ValueError):
        return bool(UUID(str(facts.get("task"))))
    return False


def _named(fact: str, *kinds: str, runs: Iterable[UUID] | None = None) -> set[str]:
    """What events of these kinds name as `fact`."""
    rows = Event.objects.filter(kind__in=kinds)
    if runs is not None:
        rows = rows.filter(run__in=list(runs))
    return {str(_facts(body).get(fact)) for body in rows.values_list("body", flat=True).iterator(CHUNK)}


def _facts(stored: Any) -> Mapping[str, Any]:
    """What stored bytes say; nothing where they are no object, which the log's own check tells of."""
    try:
        found = json.loads(bytes(stored))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _chunks(rows: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
    while chunk := tuple(islice(rows, CHUNK)):
        yield chunk
