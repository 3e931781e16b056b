"""Which duties a person fills, by own assignment or through a group."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from procedures.domain.definition import DUTIES
from procedures.models import DutyAssignment, Person


def duties_of(person: Person, *, since: datetime | None = None) -> list[str]:
    """The duties that a person fills now; with `since`, those alone that they have filled without a break from then."""
    mine, ours = Q(person=person), Q(group__memberships__person=person)
    if since is not None:
        mine &= Q(since_at__lte=since)
        ours &= Q(since_at__lte=since, group__memberships__since_at__lte=since)
    held = set(DutyAssignment.objects.filter(mine | ours, ended_at__isnull=True).values_list("duty", flat=True))
    return [duty for duty in DUTIES if duty in held]
