"""A grant spread out into rights and guardian's rows, in the transaction that makes or ends it (decisions.md, 4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import QuerySet

from procedures.models import (
    Environment,
    Grant,
    GrantRight,
    Procedure,
    ProcedureGroupPermission,
    ProcedureUserPermission,
)


def covered(grant: Grant) -> list[Procedure] | None:
    """The procedures of a grant, a selector pinned to today's set (H12); None means every one."""
    if grant.procedure is not None:
        return [grant.procedure]
    if grant.selector:
        return [p for p in Procedure.objects.all() if set(grant.selector) <= set(p.labels)]
    return None


def expand(grant: Grant) -> None:
    procedures = covered(grant)
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
            ends_at=grant.expires_at,
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
    GrantRight.objects.filter(grant=grant, ends_at__gt=at).update(ends_at=at)
    who = {"person": grant.person, "group": grant.group}
    for right in GrantRight.objects.filter(grant=grant, procedure__isnull=False).select_related("procedure"):
        others = GrantRight.objects.filter(**who, procedure=right.procedure, verb=right.verb, ends_at__gt=at)
        if not others.exclude(grant=grant).exists():
            rows = _rows(grant)
            rows.filter(content_object=right.procedure, permission__codename=right.verb).delete()


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
