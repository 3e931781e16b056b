"""Who stands in for whom: as of now, for the doors and for whoever decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from procedures import access
from procedures.access import managing
from procedures.access.managing import Reach
from procedures.domain.deputies import DEPUTED
from procedures.domain.errors import NotFound
from procedures.models import Deputy, Environment, Person, Procedure, Run, Version

MOST = 100


def in_force(verb: str, at: datetime) -> list[Deputy]:
    """Every deputy for decisions of this verb at this moment who agreed; both still have an account."""
    rows = Deputy.objects.filter(ended_at__isnull=True, agreed_at__lte=at, from_at__lte=at, until_at__gt=at)
    rows = rows.filter(person__is_active=True, deputy__is_active=True)
    # Asked at every decision, and nearly always nobody stands in: whom they are is read when there is somebody.
    return [row for row in rows.prefetch_related("person", "deputy").order_by("pk") if verb in row.verbs]


def stood_in_since(person: Person, since: datetime, at: datetime) -> set[str]:
    """Subjects of whoever agreed to stand in for this person, and did so at any time from `since` to `at`."""
    rows = Deputy.objects.filter(person=person, agreed_at__lte=at, from_at__lte=at, until_at__gt=since)
    rows = rows.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=since))
    return {str(subject) for subject in rows.values_list("deputy__subject", flat=True)}


def stood_in_for(deputy: Person, verb: str, at: datetime) -> list[Person]:
    """For whom this person stands in now."""
    return [row.person for row in in_force(verb, at) if row.deputy_id == deputy.pk]


def stand_ins(people: Iterable[int], verb: str, at: datetime) -> set[int]:
    """Primary keys of whoever stands in for one of these people now."""
    wanted = set(people)
    return {row.deputy_id for row in in_force(verb, at) if row.person_id in wanted}


def with_stand_ins(people: Iterable[int], verb: str, at: datetime) -> set[int]:
    """These people and whoever stands in for one of them now: none of them decides what these asked for."""
    wanted = set(people)
    return wanted | stand_ins(wanted, verb, at)


def behind(run: Run) -> set[int]:
    """Primary keys of everybody in a request's chain."""
    return {run.requester_id, *run.chain.values_list("person", flat=True)}


def authors(version: Version) -> set[int]:
    """Primary keys of everybody whose work a version is."""
    return {version.submitter_id, *version.authors.values_list("person", flat=True)}


def told_for(
    actor: Person,
    verb: str,
    at: datetime,
    *,
    but: Collection[int],
    procedure: Procedure | None = None,
    environment: Environment | None = None,
) -> list[str]:
    """Subjects of those for whom this decision is taken too: stood in for, and able to take it themselves."""
    rows = [one for one in stood_in_for(actor, verb, at) if one.pk not in but]
    return [
        str(one.subject)
        for one in rows
        if access.decide(one, verb, at=at, procedure=procedure, environment=environment).allowed
    ]


def of(person: Person, at: datetime) -> list[Deputy]:
    """A person's deputies and those for whom they stand in, what is not over first, at most a hundred."""
    rows = Deputy.objects.filter(Q(person=person) | Q(deputy=person)).select_related("person", "deputy")
    found = list(rows.order_by("-until_at", "-id")[:MOST])
    return sorted(found, key=lambda row: is_over(row, at))


def is_over(row: Deputy, at: datetime) -> bool:
    return row.ended_at is not None or row.until_at <= at


def one(person: Person, deputy: UUID) -> Deputy:
    """One that concerns this person. Raises NotFound."""
    mine = Deputy.objects.filter(Q(person=person) | Q(deputy=person))
    row = mine.select_related("person", "deputy").filter(pk=deputy).first()
    if row is None:
        raise NotFound("There is no such deputy.")
    return row


def held(person: Person, at: datetime) -> list[str]:
    """The verbs for which this person could have a deputy: those by which they decide somewhere."""
    return [verb for verb in DEPUTED if managing.reach(person, verb, at=at)]


def candidates(person: Person, at: datetime) -> list[Person]:
    """People whom this person could name for something."""
    people = Person.objects.filter(is_active=True, kind=Person.Kind.PERSON).exclude(pk=person.pk).order_by("name")
    own = {verb: reach for verb in DEPUTED if (reach := managing.reach(person, verb, at=at))}
    if not own:
        return []
    return [
        one for one in people[:500] if any(meet(managing.reach(one, verb, at=at), reach) for verb, reach in own.items())
    ]


def meet(some: Reach, others: Reach) -> bool:
    """Whether there is a place that both cover."""
    return any(
        (p is None or q is None or p == q) and (e is None or f is None or e == f)
        for p, e in some.pairs
        for q, f in others.pairs
    )
