"""The same decision over lists: which procedures a person may do something with, and which runs they may know of."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from procedures.access.caller import scope_of
from procedures.access.decision import live_rights
from procedures.models import Person, Procedure, Run


def visible(
    procedures: QuerySet[Procedure], actor: Person, verb: str, *, at: datetime, environment: str | None = None
) -> QuerySet[Procedure]:
    """Those of `procedures` for which `decide(actor, verb)` allows, parameters and targets aside.

    Correlated EXISTS, not IN, so that the plan does not flip with the number of grants (performance.md).
    """
    scope = scope_of(actor)
    if scope is not None and scope.procedures:
        procedures = procedures.filter(name__in=scope.procedures)
    if scope is not None and scope.environments and environment and environment not in scope.environments:
        return procedures.none()
    rights = live_rights(actor, verb, at)
    if environment is not None:
        rights = rights.filter(Q(environment__isnull=True) | Q(environment=environment))
    allowed = Q(Exists(rights.filter(procedure__isnull=True))) | Q(Exists(rights.filter(procedure=OuterRef("pk"))))
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
        rights = live_rights(actor, verb, at).filter(
            Q(procedure__isnull=True) | Q(procedure=OuterRef("procedure")),
            Q(environment__isnull=True) | Q(environment=OuterRef("environment")),
        )
        allowed |= Q(Exists(rights))
    return runs.filter(allowed)
