"""Spaces as the tables hold them: whose they are, and what their leads may give and have given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from procedures import access
from procedures.domain import spaces as rules
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.models import Grant, Person, Procedure, Space, Version
from procedures.queries.labels import holders

MOST = 200
SEES_ALL = ("manage_access", "audit")


def as_object(row: Space) -> dict[str, Any]:
    """A space as it was signed."""
    names = ("name", "title", "leads", "procedures", "environments", "verbs", "days", "risk")
    return {name: getattr(row, name) for name in names} | {
        name: value for name in rules.OPTIONAL if (value := getattr(row, name))
    }


def live() -> list[Space]:
    return list(Space.objects.filter(ended_at__isnull=True).order_by("name"))


def led_by(actor: Person) -> list[Space]:
    """The spaces that this person leads, by name or by a group; software leads none."""
    if not actor.is_active or actor.kind != Person.Kind.PERSON or access.scope_of(actor) is not None:
        return []
    rows = live()
    if not rows:
        return []
    mine = {f"person:{actor.subject}"} | {f"group:{m.group.name}" for m in actor.memberships.select_related("group")}
    return [row for row in rows if mine & set(row.leads)]


def risks(procedures: Collection[str]) -> dict[str, str]:
    """The risk of each of these procedures as accepted now."""
    rows = Version.objects.filter(procedure__name__in=procedures, state="accepted").order_by("number")
    return dict(rows.values_list("procedure__name", "risk"))


def refusals(spaces: Iterable[Space], control: str, grant: Mapping[str, Any]) -> tuple[bool, list[tuple[str, str]]]:
    """(whether a lead of one of these may do it, else why not by the space that owns the procedure)."""
    found: list[tuple[str, str]] = []
    if "procedure" not in grant:
        return False, found
    labels = labels_of(grant)
    owning = rules.owning([as_object(row) for row in spaces], grant, labels)
    known = _known([grant["procedure"]], labels, control, owning) if owning else rules.Known()
    for space in owning:
        found = rules.problems(space, control, grant, known)
        if not found:
            return True, []
    return False, found


def labels_of(grant: Mapping[str, Any]) -> dict[str, list[str]]:
    """The labels of a grant's procedure, by its name."""
    rows = Procedure.objects.filter(name=grant.get("procedure", ""))
    return dict(rows.values_list("name", "labels"))


def _known(
    procedures: Collection[str], labels: dict[str, list[str]], control: str, owning: Iterable[Mapping[str, Any]]
) -> rules.Known:
    """What the tables say; grants are counted, and every procedure's labels read, where a budget asks for it."""
    if control == "grant_end" or not any("at_once" in space for space in owning):
        return rules.Known(risks(procedures), labels)
    every = dict(Procedure.objects.values_list("name", "labels"))
    live = Grant.objects.filter(revoked_at__isnull=True, expires_at__gt=now(), procedure__isnull=False)
    return rules.Known(risks(procedures), every, Counter(live.values_list("procedure__name", flat=True)))


def with_targets(grant: Mapping[str, Any], led: Iterable[Space] | None = None) -> Mapping[str, Any]:
    """A grant as a lead could give it: where its space has targets of its own, on the first of these."""
    if "run" not in grant["verbs"] or "target_filter" in grant:
        return grant
    rows = [as_object(row) for row in (live() if led is None else led)]
    targets = [space["targets"][0] for space in rules.owning(rows, grant, labels_of(grant)) if "targets" in space]
    return {**grant, "target_filter": targets[0]} if targets else grant


def leads(control: str, grant: Mapping[str, Any]) -> QuerySet[Person]:
    """Everybody who may give or end this grant as the lead of a space."""
    people: set[int] = set()
    for space in live():
        if refusals([space], control, grant)[0]:
            people |= {person.pk for lead in space.leads for person in holders(lead)}
    return Person.objects.filter(pk__in=people, is_active=True, kind=Person.Kind.PERSON)


@dataclass(frozen=True, slots=True)
class Shown:
    """A space for the doors: who leads it, and what was given there, each with the limits that it is outside of."""

    space: Space
    leads: list[str]
    given: list[tuple[Grant, list[str]]]


def concern(actor: Person, at: datetime) -> bool:
    """Whether spaces are offered to this person: decisions.md, 35."""
    return bool(led_by(actor)) or any(access.decide(actor, verb, at=at).allowed for verb in SEES_ALL)


def shown(actor: Person, at: datetime) -> list[Shown]:
    """Every space for those who manage or audit the portal, else the led ones. Raises NotAllowed for anybody else."""
    rows = led_by(actor)
    if any(access.decide(actor, verb, at=at).allowed for verb in SEES_ALL):
        rows = live()
    elif not rows:
        raise NotAllowed("Spaces are shown to whoever leads one or manages access.")
    return [Shown(row, _names(row), _given(row, at)) for row in rows]


def _names(space: Space) -> list[str]:
    people = {f"person:{p.subject}": str(p) for p in Person.objects.filter(subject__in=_subjects(space.leads))}
    return [people.get(lead) or lead.replace("group:", "Group ") for lead in space.leads]


def _subjects(leads: Iterable[str]) -> list[str]:
    return [lead.removeprefix("person:") for lead in leads if lead.startswith("person:")]


def _given(space: Space, at: datetime) -> list[tuple[Grant, list[str]]]:
    """Living grants that name a procedure of the space, whoever gave them."""
    labels = dict(Procedure.objects.values_list("name", "labels"))
    names = [name for name in labels if rules.owns(as_object(space), name, labels)]
    rows = Grant.objects.filter(procedure__name__in=names, revoked_at__isnull=True, expires_at__gt=at)
    rows = rows.select_related("person", "group", "procedure", "granted_by")
    known = rules.Known(risks(names), labels)
    given = rows.order_by("expires_at")[:MOST]
    return [(row, [why for _, why in rules.outside(as_object(space), _object(row), known)]) for row in given]


def _object(row: Grant) -> dict[str, Any]:
    """The parts of a grant that the limits of a space are about."""
    return {
        "procedure": row.procedure.name if row.procedure else None,
        "environments": row.environments,
        "verbs": row.verbs,
        **({"target_filter": row.target_filter} if row.target_filter else {}),
        "not_before": moment(row.not_before_at),
        "expires_at": moment(row.expires_at),
    }
