"""Tells security when a collector acknowledges nothing of the log for a quarter of an hour."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from procedures.models import Notice
from procedures.queries import eligible
from procedures.queries.collectors import streamed
from procedures.services.notices import tell

SILENT = timedelta(minutes=15)
KIND = "collector.silent"


def alarm(*, at: datetime) -> int:
    """One round; each person hears once of each silence. Returns how many collectors there were to tell of.

    One that catches up with a long log is not silent, however much it lacks.
    """
    told = 0
    for one in streamed(at):
        since = one.silent_since
        if since is None or at - since <= SILENT:
            continue
        key = f"{one.row.pk}:{since.timestamp():.0f}"
        if Notice.objects.filter(kind=KIND, key=key).exists():
            continue
        why = one.row.problem or "nothing was sent, so look at the scheduler"
        facts = {"collector": one.row.name, "since": since, "count": one.behind, "why": why}
        with transaction.atomic():
            tell(KIND, eligible.security(at), key=key, path="/evidence/", at=at, facts=facts)
        told += 1
    return told
