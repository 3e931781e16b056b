"""Which duties a person fills, by own assignment or through a group."""

from __future__ import annotations

from django.db.models import Q

from procedures.domain.definition import DUTIES
from procedures.models import DutyAssignment, Person


def duties_of(person: Person) -> list[str]:
    rows = DutyAssignment.objects.filter(
        Q(person=person) | Q(group__memberships__person=person), ended_at__isnull=True
    ).values_list("duty", flat=True)
    held = set(rows)
    return [duty for duty in DUTIES if duty in held]
