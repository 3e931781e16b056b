"""What a grant would allow, before anybody makes it: procedures, people, targets, and what is held already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from procedures.domain import filters
from procedures.models import Environment, Grant, Person, Procedure, Target
from procedures.queries.labels import holders, labelled

SHOWN = 50


@dataclass(frozen=True, slots=True)
class WouldAllow:
    """Each list holds at most 50; `every` says that procedures of tomorrow are in it, `grows` those labelled later."""

    every: bool
    grows: bool
    procedure_count: int
    procedures: Sequence[Procedure]
    people_count: int
    people: Sequence[Person]
    target_count: int
    targets: Sequence[Target]
    held: Sequence[Grant]

    @property
    def more_procedures(self) -> int:
        return self.procedure_count - len(self.procedures)

    @property
    def more_people(self) -> int:
        return self.people_count - len(self.people)

    @property
    def more_targets(self) -> int:
        return self.target_count - len(self.targets)


def would_allow(grant: Mapping[str, Any], at: datetime) -> WouldAllow:
    """Of a grant of the right shape, whose names are all there."""
    procedures = _procedures(grant)
    people = holders(grant["principal"]).filter(is_active=True).order_by("name")
    targets = _targets(grant, procedures)
    every = "procedure" not in grant and "selector" not in grant
    return WouldAllow(
        every=every,
        grows=bool(grant.get("grows")),
        procedure_count=len(procedures),
        procedures=procedures[:SHOWN],
        people_count=people.count(),
        people=list(people[:SHOWN]),
        target_count=len(targets),
        targets=targets[:SHOWN],
        held=_held(grant, procedures, every, at),
    )


def _procedures(grant: Mapping[str, Any]) -> list[Procedure]:
    if "selector" in grant:
        return labelled(grant["selector"])
    rows = Procedure.objects.filter(retired_at__isnull=True).order_by("name")
    return list(rows.filter(name=grant["procedure"]) if "procedure" in grant else rows)


def _targets(grant: Mapping[str, Any], procedures: Sequence[Procedure]) -> list[Target]:
    """Today's targets that the grant's filter lets through and that some of its procedures may act on."""
    if not {"run", "approve", "break_glass"} & set(grant["verbs"]):
        return []
    bound = filters.parse(grant.get("target_filter", "*")).bind({})
    reach = _reach(procedures)
    rows = Target.objects.filter(ended_at__isnull=True).order_by("environment_id", "name")
    if grant["environments"]:
        rows = rows.filter(environment__in=grant["environments"])
    return [
        row
        for row in rows
        if bound.matches(row) and any(row.environment_id in where and its.may_match(row) for where, its in reach)
    ]


def _reach(procedures: Sequence[Procedure]) -> list[tuple[Sequence[str], filters.Filter]]:
    """(environments, target filter) of what stands accepted of each procedure, each pair once."""
    found = {}
    for row in Procedure.objects.filter(pk__in=[p.pk for p in procedures]).prefetch_related("versions"):
        for version in row.versions.all():
            targets = version.definition.get("targets") if version.state == "accepted" else None
            if targets:
                where = tuple(version.definition["environments"])
                found[where, targets["filter"]] = (where, filters.parse(targets["filter"]))
    return list(found.values())


def _held(grant: Mapping[str, Any], procedures: Sequence[Procedure], every: bool, at: datetime) -> list[Grant]:
    """Live grants that give the principal, or a group it is in, some of this already."""
    names = grant["environments"] or list(Environment.objects.values_list("name", flat=True))
    reach = Q(rights__procedure__isnull=True)
    if not every:
        reach |= Q(rights__procedure__in=procedures)
    rows = Grant.objects.filter(
        reach if not every else Q(),
        Q(rights__environment__isnull=True) | Q(rights__environment__in=names),
        _whose(grant["principal"]),
        rights__verb__in=grant["verbs"],
        rights__ends_at__gt=at,
        revoked_at__isnull=True,
    )
    chosen: QuerySet[Grant] = Grant.objects.filter(pk__in=rows.values("pk"))
    return list(chosen.select_related("person", "group", "procedure", "granted_by").order_by("expires_at")[:SHOWN])


def _whose(principal: str) -> Q:
    kind, _, name = principal.partition(":")
    if kind == "group":
        return Q(group__name=name)
    return Q(person__subject=name) | Q(group__memberships__person__subject=name)
