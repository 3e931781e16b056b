"""Moves the bodies of runs that ended long ago to cold storage: the tables of every day stay small, nothing is lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, models

from procedures.evidence import cooling
from procedures.evidence.models import Event
from procedures.models import Run
from procedures.queries import legal_holds

log = structlog.get_logger(__name__)
AT_ONCE = 20


def sweep(*, at: datetime) -> int:
    """Move a few of those whose time has come, oldest first. Returns how many runs.

    Only what is sealed and in the log whole; what a legal hold covers stays where it is, and so does what two people
    purged.
    """
    days = settings.OPSPORTAL_COLD_DAYS
    if not days:
        return 0
    waiting = Event.objects.filter(run=models.OuterRef("pk"), leaf__isnull=True)
    old = Run.objects.filter(cold_at__isnull=True, ended_at__lt=at - timedelta(days=days), purge__isnull=True)
    due = old.exclude(models.Exists(waiting)).exclude(pk__in=legal_holds.held_runs().values("pk"))
    runs = list(due.order_by("ended_at").values_list("pk", flat=True)[:AT_ONCE])
    return sum(_moved(run, at) for run in runs)


def _moved(run: UUID, at: datetime) -> int:
    try:
        cooling.cool(run)
    except DatabaseError as problem:  # a guard of the database refused; a hold that came a moment ago, for one
        log.warning("cold.refused", run=str(run), problem=str(problem))
        return 0
    return Run.objects.filter(pk=run).update(cold_at=at)
