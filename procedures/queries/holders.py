"""Who holds a verb somewhere, as the one decision would say of each of them."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from procedures.access.decision import EVERYWHERE
from procedures.models import Environment, GrantRight, Person, Procedure


def holders(
    verb: str,
    at: datetime,
    *,
    procedure: Procedure | None = None,
    environment: Environment | None = None,
    whole: bool = False,
) -> QuerySet[Person]:
    """Active persons who hold that verb there now, as the one decision would say."""
    rights = GrantRight.objects.filter(
        Q(procedure__isnull=True) | Q(procedure=procedure) if procedure else Q(procedure__isnull=True),
        verb=verb,
        not_before_at__lte=at,
        ends_at__gt=at,
    )
    if verb == "audit":
        rights = rights.filter(grant__period__isnull=True)
    if environment is not None:
        rights = rights.filter(Q(environment__isnull=True) | Q(environment=environment))
    elif whole or verb in EVERYWHERE:
        rights = rights.filter(environment__isnull=True)
    return (
        Person.objects.filter(
            Q(pk__in=rights.filter(person__isnull=False).values("person"))
            | Q(memberships__group__in=rights.filter(group__isnull=False).values("group")),
            is_active=True,
            kind=Person.Kind.PERSON,
        )
        .distinct()
        .order_by("pk")
    )
