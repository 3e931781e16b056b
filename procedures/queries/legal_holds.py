"""What lies under a legal hold now, and the register of holds."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from procedures.evidence.models import Disclosure
from procedures.models import LegalHold, Run

PAST = 50


def live() -> list[LegalHold]:
    rows = LegalHold.objects.filter(ended_at__isnull=True).select_related("procedure", "run", "placed_by")
    return list(rows.order_by("-placed_at"))


def past() -> list[LegalHold]:
    """Those that ended last."""
    rows = LegalHold.objects.filter(ended_at__isnull=False).select_related("procedure", "run", "placed_by", "ended_by")
    return list(rows.order_by("-ended_at")[:PAST])


def held_runs() -> QuerySet[Run]:
    """Runs that some live hold covers."""
    found = Q(pk__in=[])
    for hold in live():
        found |= _of_run(hold)
    return Run.objects.filter(found)


def over_run(run: UUID) -> list[LegalHold]:
    """Live holds over one run."""
    return [hold for hold in live() if Run.objects.filter(_of_run(hold), pk=run).exists()]


def over_values(event: UUID) -> list[LegalHold]:
    """Live holds over values of one event."""
    rows = Disclosure.objects.filter(event=event)
    return [hold for hold in live() if rows.filter(_of_value(hold)).exists()]


def over_person(subject: UUID) -> list[LegalHold]:
    """Live holds that forbid to destroy a person's key: over them, or over any value that it opens."""
    rows = Disclosure.objects.filter(subject=subject)
    return [hold for hold in live() if hold.subject == subject or rows.filter(_of_value(hold)).exists()]


def _of_run(hold: LegalHold) -> Q:
    found = Q(pk=hold.run_id) if hold.run_id else Q()
    found &= Q(procedure=hold.procedure_id) if hold.procedure_id else Q()
    found &= Q(requester__subject=hold.subject) if hold.subject else Q()
    return found & _in_time(hold, "requested_at")


def _of_value(hold: LegalHold) -> Q:
    found = Q(event__run=hold.run_id) if hold.run_id else Q()
    if hold.procedure_id:
        runs = Run.objects.filter(procedure=hold.procedure_id).values("pk")
        found &= Q(event__procedure=hold.procedure_id) | Q(event__run__in=runs)
    if hold.subject:
        runs = Run.objects.filter(requester__subject=hold.subject).values("pk")
        found &= Q(subject=hold.subject) | Q(event__actor=hold.subject) | Q(event__run__in=runs)
    return found & _in_time(hold, "event__at")


def _in_time(hold: LegalHold, field: str) -> Q:
    found = Q(**{f"{field}__gte": hold.from_at}) if hold.from_at else Q()
    return found & (Q(**{f"{field}__lte": hold.until_at}) if hold.until_at else Q())
