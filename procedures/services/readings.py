"""Auditors' reads: that somebody looked is evidence too, told once an hour for each person and thing."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from procedures.evidence.models import Event
from procedures.evidence.queries import fact
from procedures.evidence.record import record
from procedures.models import Person, Run
from procedures.queries import auditing

EVERY = timedelta(hours=1)
KIND = "evidence.read"


def note_read(*, actor: Person, what: str, at: datetime, procedure: UUID | None = None) -> None:
    """Record that an auditor read something, unless the last hour has it; `what` names it as other events do."""
    rows = Event.objects.filter(kind=KIND, actor=actor.subject, at__gt=at - EVERY)
    if any(fact(row).facts["what"] == what for row in rows.order_by("-id")):
        return
    with transaction.atomic():
        record(KIND, actor=actor.subject, at=at, procedure=procedure, facts={"what": what})


def note_run_read(*, actor: Person, run: Run, at: datetime) -> None:
    """The same of a run, for whoever audits it and did not ask for it."""
    if run.requester_id != actor.pk and auditing.audits_run(actor, run, at):
        note_read(actor=actor, what=f"run {run.pk}", at=at, procedure=run.procedure_id)
