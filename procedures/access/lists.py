"""The same decision over lists: which procedures a person may do something with, and which runs they may know of.

Who may do something with few procedures gets them named: the planner sees how few they are and begins with them. Who
may with many gets a subquery: it begins with the newest and stops after a page. The other way round each takes seconds.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from procedures.access.caller import scope_of
from procedures.access.decision import bounded_rights, live_rights
from procedures.domain.canonical import parse_moment
from procedures.models import GrantRight, Person, Procedure, Run

FEW = 1000  # rights, not procedures: DISTINCT with a limit makes PostgreSQL read the index of everybody's rights


def visible(
    procedures: QuerySet[Procedure], actor: Person, verb: str, *, at: datetime, environment: str | None = None
) -> QuerySet[Procedure]:
    """Those of `procedures` for which `decide(actor, verb)` allows, parameters and targets aside."""
    scope = scope_of(actor)
    if scope is not None and scope.procedures:
        procedures = procedures.filter(name__in=scope.procedures)
    if scope is not None and scope.environments and environment and environment not in scope.environments:
        return procedures.none()
    rights = live_rights(actor, verb, at)
    if environment is not None:
        rights = rights.filter(Q(environment__isnull=True) | Q(environment=environment))
    if rights.filter(procedure__isnull=True).exists():
        return procedures
    named = list(rights.values_list("procedure", flat=True)[: FEW + 1])
    few = len(named) <= FEW
    allowed = Q(pk__in=set(named)) if few else Q(Exists(rights.filter(procedure=OuterRef("pk"))))
    if verb == "discover" and actor.is_active and actor.kind != Person.Kind.AGENT:
        allowed |= Q(hidden=False)
    return procedures.filter(allowed)


def visible_runs(runs: QuerySet[Run], actor: Person, *verbs: str, at: datetime) -> QuerySet[Run]:
    """Those of `runs` that are the person's own, or for whose procedure and environment one of `verbs` is allowed."""
    allowed, scope = Q(requester=actor), scope_of(actor)
    if scope is not None:
        runs = runs.filter(procedure__name__in=scope.procedures) if scope.procedures else runs
        runs = runs.filter(environment__in=scope.environments) if scope.environments else runs
        verbs = tuple(verb for verb in verbs if verb in scope.verbs)
        allowed = Q(requester=actor) if "view" in scope.verbs else Q(pk__isnull=True)
    for verb in verbs:
        rights = live_rights(actor, verb, at)
        whole = set(rights.filter(procedure__isnull=True).values_list("environment", flat=True))
        if None in whole:
            return runs
        allowed |= Q(environment__in=whole) | _of_procedures(rights.filter(procedure__isnull=False))
    for right in bounded_rights(actor, at) if "audit" in verbs else ():
        allowed |= _of_period(right)
    return runs.filter(allowed)


def _of_period(right: GrantRight) -> Q:
    """The runs that an engagement is about."""
    first, last = (parse_moment((right.grant.period or {})[name]) for name in ("from", "to"))
    found = Q(requested_at__gte=first, requested_at__lte=last)
    found &= Q(procedure=right.procedure_id) if right.procedure_id else Q()
    return found & (Q(environment=right.environment_id) if right.environment_id else Q())


def _of_procedures(rights: QuerySet[GrantRight]) -> Q:
    """The runs of procedures that these rights name, each in the environments of its right."""
    named = list(rights.values_list("environment", "procedure")[: FEW + 1])
    if len(named) > FEW:
        here = Q(environment__isnull=True) | Q(environment=OuterRef("environment"))
        return Q(Exists(rights.filter(here, procedure=OuterRef("procedure"))))
    by_environment: dict[str | None, set[UUID]] = defaultdict(set)
    for where, procedure in named:
        by_environment[where].add(procedure)
    allowed = Q(procedure__in=by_environment.pop(None, set()))
    for environment, procedures in by_environment.items():
        allowed |= Q(environment=environment, procedure__in=procedures)
    return allowed
