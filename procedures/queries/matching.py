"""The targets that a procedure's filter matches now, with the values so far: what whoever may run it there may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from procedures import access
from procedures.access.decision import live_rights
from procedures.domain import expressions, filters
from procedures.domain.errors import OpsError
from procedures.models import Environment, Grant, Person, Procedure, Target, Version
from procedures.queries.targets import contact_of, live


@dataclass(frozen=True, slots=True)
class Match:
    """One target that matches: its name and tags, and whether it was in contact."""

    target: Target

    @property
    def contact(self) -> dict[str, Any] | None:
        return contact_of(self.target)


@dataclass(frozen=True, slots=True)
class Matches:
    """`waits` says in words what the filter still lacks; `outside` counts matches that no grant of theirs covers."""

    filter: str
    narrow: bool
    found: tuple[Match, ...] = ()
    outside: int = 0
    waits: str = ""


def matches(
    actor: Person, version: Version, environment: Environment | None, values: Mapping[str, Any], at: datetime
) -> Matches | None:
    """None where the procedure acts on no targets, or where this person may not run it."""
    declared = version.definition.get("targets")
    if declared is None or environment is None:
        return None
    procedure = version.procedure
    if not access.decide(actor, "run", at=at, procedure=procedure, environment=environment).allowed:
        return None
    told = {"filter": declared["filter"], "narrow": bool(declared.get("narrow"))}
    scope = {"parameters": _with_defaults(version, values)}
    try:
        parsed = filters.parse(declared["filter"])
        if any(expressions.evaluate(text, scope) is None for text in parsed.expressions()):
            return Matches(**told, waits="Fill in what the filter asks for.")
        bound = parsed.bind(scope)
    except OpsError as problem:
        return Matches(**told, waits=problem.message)
    matching = [row for row in live([environment]) if bound.matches(row)]
    mine = _within(actor, procedure, environment, at)
    seen = [row for row in matching if any(one.matches(row) for one in mine)]
    return Matches(**told, found=tuple(map(Match, seen)), outside=len(matching) - len(seen))


def _with_defaults(version: Version, values: Mapping[str, Any]) -> dict[str, Any]:
    rules = version.definition["parameters"].get("properties", {})
    return {name: rule["default"] for name, rule in rules.items() if "default" in rule} | dict(values)


def _within(actor: Person, procedure: Procedure, environment: Environment, at: datetime) -> list[filters.BoundFilter]:
    """The target filters of the grants that let this person run it there."""
    rights = live_rights(actor, "run", at).filter(
        Q(procedure__isnull=True) | Q(procedure=procedure), Q(environment__isnull=True) | Q(environment=environment)
    )
    texts = Grant.objects.filter(pk__in=rights.values("grant")).values_list("target_filter", flat=True)
    return [filters.parse(text or "*").bind({}) for text in set(texts)]
