"""Which procedures carry which labels, and whom a change of them lets in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from procedures.domain import spaces
from procedures.models import Grant, Person, Procedure, Space


def labelled(selector: Iterable[str]) -> list[Procedure]:
    """The procedures that carry every one of these labels now."""
    wanted = set(selector)
    return [row for row in carrying_any() if wanted <= set(row.labels)]


def carrying_any() -> QuerySet[Procedure]:
    return Procedure.objects.exclude(labels=[]).order_by("name")


def holders(principal: str) -> QuerySet[Person]:
    """The people and software behind `person:<subject>` or `group:<name>`."""
    kind, _, name = principal.partition(":")
    if kind == "person":
        return Person.objects.filter(subject=name)
    return Person.objects.filter(memberships__group__name=name).distinct()


def joined(object: Mapping[str, Any], *, at: datetime) -> list[Grant]:
    """Living grants that grow and that these labels would let reach the procedure anew."""
    row = Procedure.objects.filter(name=object["procedure"]).first()
    had, has = set(row.labels if row else ()), set(object["labels"])
    rows = Grant.objects.filter(grows=True, revoked_at__isnull=True, expires_at__gt=at)
    return [
        grant
        for grant in rows.select_related("person", "group")
        if set(grant.selector) <= has and not set(grant.selector) <= had
    ]


def who_joins(object: Mapping[str, Any], *, at: datetime) -> QuerySet[Person]:
    """Whoever would gain from these labels: by grants that grow, or as leads of spaces."""
    grants = joined(object, at=at)
    people = [grant.person_id for grant in grants if grant.person_id]
    groups = [grant.group_id for grant in grants if grant.group_id]
    row = Procedure.objects.filter(name=object["procedure"]).first()
    owning = Space.objects.filter(ended_at__isnull=True).values("labels", "leads")
    led = spaces.led_anew(owning, set(row.labels if row else ()), set(object["labels"]))
    subjects = [lead.removeprefix("person:") for lead in led if lead.startswith("person:")]
    named = [lead.removeprefix("group:") for lead in led if lead.startswith("group:")]
    gains = Q(pk__in=people) | Q(memberships__group__in=groups)
    leads = Q(subject__in=subjects) | Q(memberships__group__name__in=named)
    return Person.objects.filter(gains | leads).distinct()
