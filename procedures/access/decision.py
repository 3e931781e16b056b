"""May this person do this, here, now, with these parameters and targets? Deny by default (rule 5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from procedures.access import agents
from procedures.access.caller import outside, scope_of
from procedures.domain import grants, windows
from procedures.domain.access_requests import ASKABLE
from procedures.domain.errors import NotAllowed
from procedures.models import Environment, Grant, GrantRight, Membership, Person, Procedure

EVERYWHERE = frozenset({"manage_access", "audit"})  # asked without an environment, they are about every one


@dataclass(frozen=True, slots=True)
class Decision:
    """`grant` is the one that decided; `reason` says why, in words for the person who asked."""

    allowed: bool
    reason: str
    grant: Grant | None = None


def dated_rights(actor: Person, verb: str, at: datetime) -> QuerySet[GrantRight]:
    """Rights of a person, directly or through a group, within whose dates this instant lies; a token narrows them.

    An audit of some period's runs is none: it answers no question but about a run (`bounded_rights`).
    Software has few verbs, and a stopped agent none (H38). Groups are read first: a join of memberships with rights
    costs seconds where there are many of both, and the planner knows the weight of names, not of subqueries.
    """
    rights = _dated(actor, verb, at)
    return rights.filter(grant__period__isnull=True) if verb == "audit" else rights


def _dated(actor: Person, verb: str, at: datetime) -> QuerySet[GrantRight]:
    if not actor.is_active or (actor.kind != Person.Kind.PERSON and verb in grants.SOFTWARE_NEVER):
        return GrantRight.objects.none()
    if actor.kind == Person.Kind.AGENT and agents.refusal(actor, verb):
        return GrantRight.objects.none()
    scope = scope_of(actor)
    if scope is not None and verb not in scope.verbs and verb != "discover":
        return GrantRight.objects.none()
    groups = list(Membership.objects.filter(person=actor).values_list("group", flat=True))
    rights = GrantRight.objects.filter(
        Q(person=actor) | Q(group__in=groups), verb=verb, not_before_at__lte=at, ends_at__gt=at
    )
    if scope is not None and scope.environments:
        rights = rights.filter(Q(environment__isnull=True) | Q(environment__in=scope.environments))
    return rights


def bounded_rights(actor: Person, at: datetime) -> QuerySet[GrantRight]:
    """Rights to audit the runs of a period alone, with their grants."""
    return _open(_dated(actor, "audit", at).filter(grant__period__isnull=False), at).select_related(
        "grant", "procedure"
    )


def live_rights(actor: Person, verb: str, at: datetime) -> QuerySet[GrantRight]:
    """The same, without those whose window is closed at this instant."""
    return _open(dated_rights(actor, verb, at), at)


def _open(rights: QuerySet[GrantRight], at: datetime) -> QuerySet[GrantRight]:
    rows = Grant.objects.filter(window__isnull=False, pk__in=rights.values("grant"))
    closed = [pk for pk, window in rows.values_list("pk", "window") if not windows.is_open(window, at)]
    return rights.exclude(grant__in=closed) if closed else rights


def decide(
    actor: Person | None,
    verb: str,
    *,
    at: datetime,
    procedure: Procedure | None = None,
    environment: Environment | None = None,
    resolved: Mapping[str, Any] | None = None,
    targets: Sequence[Any] | None = None,
    secrets: Collection[str] = (),
    whole: bool = False,
) -> Decision:
    """Allow if one grant, as a unit, covers verb, procedure, environment, parameters, secrets, targets and hour.

    `resolved` are parameters after defaults (H8); `targets` the plan's targets. None: not part of the question.
    `secrets` are the names of those handed in. No environment asks whether the verb is held in any, except to manage
    access, which decides over all of them; `whole` asks the same of other verbs.
    """
    if actor is None or not actor.is_active:
        return Decision(False, "Nobody is signed in, or the account is closed.")
    if refused := outside(actor, verb, *_names(procedure, environment)):
        return Decision(False, refused)
    if actor.kind == Person.Kind.AGENT and (why := agents.refusal(actor, verb)):
        return Decision(False, why)
    if actor.kind != Person.Kind.PERSON and verb in grants.SOFTWARE_NEVER:
        return Decision(False, f"{actor.username} is software: to {verb.replace('_', ' ')} is a person's.")
    if verb == "discover" and procedure is not None and not procedure.hidden and actor.kind != Person.Kind.AGENT:
        return Decision(True, "Every signed-in person may see that this procedure exists.")
    rights = dated_rights(actor, verb, at).filter(
        Q(procedure__isnull=True) | Q(procedure=procedure) if procedure else Q(procedure__isnull=True)
    )
    if environment is not None:
        rights = rights.filter(Q(environment__isnull=True) | Q(environment=environment))
    elif whole or verb in EVERYWHERE:
        rights = rights.filter(environment__isnull=True)
    for right in sorted(rights.select_related("grant"), key=lambda right: right.grant_id):
        refused = _outside(right.grant, at, resolved=resolved, targets=targets, secrets=secrets)
        if not refused:
            return Decision(True, f"Allowed by grant {right.grant_id}.", right.grant)
    what = f" {procedure.name}" if procedure else ""
    where = f" in {environment.name}" if environment else ""
    return Decision(False, refused or f"No grant lets {actor.username} {verb.replace('_', ' ')}{what}{where}.")


def could(actor: Person, verb: str, then: datetime, procedure: Procedure, environment: Environment) -> bool:
    """Whether this person could do something at an earlier moment: by a grant made and a group joined until then."""
    by_group = Q(group__memberships__person=actor, group__memberships__since_at__lte=then)
    return (
        GrantRight.objects.filter(Q(person=actor) | by_group, verb=verb, not_before_at__lte=then, ends_at__gt=then)
        .filter(Q(procedure__isnull=True) | Q(procedure=procedure), grant__created_at__lte=then)
        .filter(Q(environment__isnull=True) | Q(environment=environment))
        .exists()
    )


def _names(procedure: Procedure | None, environment: Environment | None) -> tuple[str | None, str | None]:
    return (procedure.name if procedure else None), (environment.name if environment else None)


def _outside(grant: Grant, at: datetime, **question: Any) -> str:
    """Why a request lies outside this grant, or an empty string."""
    return grants.outside(
        at=at,
        constraint=grant.constraint,
        unconstrained=grant.unconstrained,
        target_filter=grant.target_filter,
        window=grant.window,
        **question,
    )


def require(actor: Person | None, verb: str, **question: Any) -> Decision:
    """The decision if it allows, else NotAllowed with the reason, and how to ask where asking is possible."""
    decision = decide(actor, verb, **question)
    if not decision.allowed:
        procedure, environment = question.get("procedure"), question.get("environment")
        narrow = actor is not None and outside(actor, verb, *_names(procedure, environment))
        if procedure is None or verb not in ASKABLE or actor is None or not actor.is_active or narrow:
            raise NotAllowed(decision.reason)
        where = environment.name if environment else ""
        raise NotAllowed.for_want_of(decision.reason, verb=verb, procedure=procedure.name, environment=where)
    return decision
