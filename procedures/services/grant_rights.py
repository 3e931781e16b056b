"""A grant spread out into rights and guardian's rows, in the transaction that makes, ends or widens it.

The rights are what decides; guardian's rows are their projection (decisions.md, 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db.models import QuerySet

from procedures.domain.campaigns import CampaignState
from procedures.models import (
    CampaignItem,
    Environment,
    Grant,
    GrantRight,
    Procedure,
    ProcedureGroupPermission,
    ProcedureUserPermission,
)
from procedures.queries.labels import labelled

LOOK_BACK = timedelta(days=1)


def covered(grant: Grant) -> list[Procedure] | None:
    """The procedures of a grant, a selector pinned to today's set (H12); None means every one."""
    if grant.procedure is not None:
        return [grant.procedure]
    return labelled(grant.selector) if grant.selector else None


def expand(grant: Grant) -> None:
    """The rights of a grant that comes into force."""
    _spread(grant, covered(grant))


def follow(procedure: Procedure, *, at: datetime) -> None:
    """After a change of labels: grants that grow reach this procedure, or no longer do; the others stay as they are."""
    rows = Grant.objects.filter(grows=True, revoked_at__isnull=True, expires_at__gt=at)
    for grant in rows.select_related("person", "group"):
        rights = GrantRight.objects.filter(grant=grant, procedure=procedure, ends_at__gt=at)
        reaches = set(grant.selector) <= set(procedure.labels)
        if reaches and not rights.exists():
            _spread(grant, [procedure])
        elif not reaches:
            _end(grant, rights, at)


def _spread(grant: Grant, procedures: list[Procedure] | None) -> None:
    due = CampaignItem.objects.filter(grant=grant, decision="", campaign__state=CampaignState.OPEN.value)
    ends_at = min([grant.expires_at, *due.values_list("campaign__due_at", flat=True)])
    environments: Iterable[Environment | None] = list(Environment.objects.filter(name__in=grant.environments)) or [None]
    GrantRight.objects.bulk_create(
        GrantRight(
            grant=grant,
            verb=verb,
            person=grant.person,
            group=grant.group,
            procedure=procedure,
            environment=environment,
            not_before_at=grant.not_before_at,
            ends_at=ends_at,
        )
        for verb in grant.verbs
        for procedure in (procedures if procedures is not None else [None])
        for environment in environments
    )
    for procedure in procedures or []:
        for verb in grant.verbs:
            _project(grant, procedure, verb)


def end(grant: Grant, *, at: datetime) -> None:
    """Rights end at this instant; a guardian row goes when no other live grant stands behind it."""
    _end(grant, GrantRight.objects.filter(grant=grant, ends_at__gt=at), at)


def sweep(*, at: datetime) -> int:
    """Take away guardian's rows of grants that ran out within a day: nobody ended them. Later ones are ignored."""
    gone = 0
    rights = GrantRight.objects.filter(ends_at__lte=at, ends_at__gt=at - LOOK_BACK, procedure__isnull=False)
    for grant in Grant.objects.filter(pk__in=rights.values("grant")).select_related("person", "group"):
        for procedure, verb in set(rights.filter(grant=grant).values_list("procedure_id", "verb")):
            gone += _take_away(grant, procedure, verb, at)
    return gone


def _end(grant: Grant, rights: QuerySet[GrantRight], at: datetime) -> None:
    """End rights of one grant; a guardian row goes when no live right of anybody's grant to the same stands behind."""
    ended = set(rights.filter(procedure__isnull=False).values_list("procedure_id", "verb"))
    rights.update(ends_at=at)
    for procedure, verb in ended:
        _take_away(grant, procedure, verb, at)


def _take_away(grant: Grant, procedure: UUID, verb: str, at: datetime) -> int:
    """The guardian row of a principal, unless a right that has not ended stands behind it."""
    if GrantRight.objects.filter(
        person=grant.person, group=grant.group, procedure=procedure, verb=verb, ends_at__gt=at
    ).exists():
        return 0
    gone, _ = _rows(grant).filter(content_object=procedure, permission__codename=verb).delete()
    return int(gone)


def _rows(grant: Grant) -> QuerySet[Any]:
    if grant.person is not None:
        return ProcedureUserPermission.objects.filter(user=grant.person)
    return ProcedureGroupPermission.objects.filter(group=grant.group)


def _project(grant: Grant, procedure: Procedure, verb: str) -> None:
    permission = Permission.objects.get(content_type__app_label="procedures", codename=verb)
    if grant.person is not None:
        ProcedureUserPermission.objects.get_or_create(
            permission=permission, user=grant.person, content_object=procedure
        )
    else:
        ProcedureGroupPermission.objects.get_or_create(
            permission=permission, group=grant.group, content_object=procedure
        )
