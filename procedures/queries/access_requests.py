"""Access requests for the doors: whose they are, who could decide them, what waits for a manager."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet

from procedures import access
from procedures.access.decision import live_rights
from procedures.domain.access_requests import EXTENDED_BEFORE, AccessRequestState, Asked
from procedures.domain.errors import NotFound
from procedures.models import AccessRequest, Environment, Grant, Membership, Person, Procedure, Version
from procedures.queries import deciding, deputies, spaces

MOST = 200
OPEN = AccessRequestState.OPEN.value
UNDER_WAY = [OPEN, AccessRequestState.PROPOSED.value]
JOINED = ("asker", "person", "group", "procedure", "extends", "change", "decided_by")


def asked_of(row: AccessRequest) -> Asked:
    """What the row asks for, by the names that stand in a grant."""
    principal = f"person:{row.person.subject}" if row.person else f"group:{row.group.name if row.group else ''}"
    return Asked(
        principal=principal,
        verbs=row.verbs,
        procedure=row.procedure.name if row.procedure else "",
        environments=row.environments,
        days=row.days,
        reason=row.reason,
        kept=row.kept,
        extends=str(row.extends_id or ""),
    )


def begins(row: AccessRequest, at: datetime) -> datetime:
    """When a grant that answers the request would begin: now, or when the one that it extends ends."""
    return max(at, row.extends.expires_at) if row.extends else at


def involved(row: AccessRequest) -> set[int]:
    """Primary keys of everybody who would gain: who asked, for whom, the group's members, and owners of software."""
    found = {row.asker_id, row.person_id, row.asker.owner_id, row.person.owner_id if row.person else None}
    if row.group_id is not None:
        found |= set(Membership.objects.filter(group=row.group_id).values_list("person_id", flat=True))
    return {pk for pk in found if pk is not None}


def may_decide(person: Person, row: AccessRequest, at: datetime) -> bool:
    """Whether this person manages access and gains nothing from the request."""
    manages = (
        person.kind == Person.Kind.PERSON
        and deciding.may(person, "grant", spaces.with_targets(_wanted(row)), at=at).allowed
    )
    return manages and person.pk not in deputies.with_stand_ins(involved(row), "manage_access", at)


def require_deciding(person: Person, row: AccessRequest, at: datetime) -> None:
    """Raises NotAllowed unless this person's right covers all that the request asks for."""
    deciding.require(person, "grant", spaces.with_targets(_wanted(row)), at=at)


def _wanted(row: AccessRequest) -> dict[str, Any]:
    """The grant as it was asked for, from when it was asked."""
    return asked_of(row).grant(begins(row, row.asked_at))


def gives(person: Person, at: datetime) -> bool:
    """Whether this person may give any access at all: a page offers its form then."""
    reach = deciding.reach(person, at=at)
    return bool(reach.managed or reach.led)


def deciders(row: AccessRequest, at: datetime) -> list[Person]:
    """Everybody who could decide the request, by name."""
    found = deciding.people("grant", spaces.with_targets(_wanted(row)), at=at)
    gains = deputies.with_stand_ins(involved(row), "manage_access", at)
    return list(found.exclude(pk__in=gains).order_by("name")[:MOST])


def decidable(person: Person, at: datetime, reach: deciding.Deciding | None = None) -> list[AccessRequest]:
    """Open requests that this person may decide, oldest first; `reach` if it is known already."""
    reach = deciding.reach(person, at=at) if reach is None else reach
    if not reach or person.kind != Person.Kind.PERSON:
        return []
    us = [person, *deputies.stood_in_for(person, "manage_access", at)]
    gains = Q(asker__in=us) | Q(person__in=us) | Q(asker__owner__in=us) | Q(person__owner__in=us)
    rows = AccessRequest.objects.filter(state=OPEN).exclude(gains | Q(group__memberships__person__in=us))
    found = rows.select_related(*JOINED).order_by("asked_at")[:MOST]
    return [row for row in found if reach.decides("grant", spaces.with_targets(_wanted(row), reach.led))]


def seen_by(person: Person, at: datetime) -> QuerySet[AccessRequest]:
    """Newest first: the own ones, those for an own group and what one could decide; all for managers and auditors."""
    rows = AccessRequest.objects.select_related(*JOINED).order_by("-id")
    if any(access.decide(person, verb, at=at).allowed for verb in ("manage_access", "audit")):
        return rows
    own = Q(asker=person) | Q(person=person) | Q(group__in=person.memberships.values("group"))
    reach = deciding.reach(person, at=at)
    some = rows[:MOST] if reach else []
    ours = [row.pk for row in some if reach.decides("grant", spaces.with_targets(_wanted(row), reach.led))]
    return rows.filter(own | Q(pk__in=ours))


def one(person: Person, request: UUID, at: datetime) -> AccessRequest:
    """The request, for whoever may see it. Raises NotFound."""
    row = seen_by(person, at).filter(pk=request).first()
    if row is None:
        raise NotFound("There is no such access request.")
    return row


def mine(person: Person) -> list[AccessRequest]:
    """What this person asked for, newest first."""
    return list(AccessRequest.objects.filter(asker=person).select_related(*JOINED).order_by("-id")[:20])


def under_way(principal: Person | None, group: Group | None, procedure: Procedure | None) -> list[AccessRequest]:
    """Requests of the same principal on the same procedure that are not answered yet."""
    rows = AccessRequest.objects.filter(state__in=UNDER_WAY, extends__isnull=True)
    return list(rows.filter(person=principal, group=group, procedure=procedure))


def own_grant(person: Person, grant: UUID) -> Grant:
    """A grant to this person or to a group of theirs. Raises NotFound."""
    mine = Q(person=person) | Q(group__in=person.memberships.values("group"))
    row = Grant.objects.filter(mine, pk=grant).select_related("person", "group", "procedure").first()
    if row is None:
        raise NotFound("You have no such access.")
    return row


def extendable(person: Person, grant: Grant, at: datetime) -> bool:
    """Whether a page offers this person to extend the grant: it is theirs and ends soon."""
    soon = grant.revoked_at is None and at < grant.expires_at <= at + EXTENDED_BEFORE
    return soon and (grant.person_id == person.pk or grant.group_id in _groups_of(person))


def _groups_of(person: Person) -> set[int]:
    return set(person.memberships.values_list("group_id", flat=True))


def held_until(
    person: Person, verb: str, procedure: Procedure, environment: Environment, at: datetime
) -> datetime | None:
    """Until when this person holds that verb there without any limit, or None."""
    rights = live_rights(person, verb, at).filter(
        Q(procedure__isnull=True) | Q(procedure=procedure),
        Q(environment__isnull=True) | Q(environment=environment),
        grant__constraint__isnull=True,
        grant__window__isnull=True,
        grant__target_filter="",
    )
    return max(rights.values_list("ends_at", flat=True), default=None)


def places(version: Version | None) -> list[Environment]:
    """The environments that one can ask for: those of the accepted version, else every one."""
    rows = Environment.objects.order_by("position", "name")
    return list(rows.filter(name__in=version.definition["environments"]) if version else rows)
