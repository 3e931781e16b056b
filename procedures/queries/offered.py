"""What an agent may run now, from accepted versions alone, as software is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procedures import access
from procedures.domain.states import VersionState
from procedures.domain.untrusted import brief
from procedures.models import Environment, Person, Procedure, Version
from procedures.queries import stops

MOST = 500
# What a schema may say to software: rules that values are checked by, and short words about them.
RULES = frozenset(
    (
        *("type", "enum", "const", "default", "pattern", "format", "minimum", "maximum", "exclusiveMinimum"),
        *("exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
        *("minProperties", "maxProperties", "required", "dependentRequired", "$ref"),
    )
)
WORDS = frozenset({"title", "description"})
INNER = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"})
LISTS = frozenset({"oneOf", "anyOf", "allOf", "prefixItems"})
NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})


@dataclass(frozen=True, slots=True)
class Offer:
    """A procedure, the digest that is accepted, and where its principal may run it."""

    name: str
    digest: str
    title: str
    description: str
    parameters: Mapping[str, Any]
    environments: tuple[str, ...]
    secrets: tuple[str, ...]


def offered_to(person: Person, at: datetime) -> list[Offer]:
    """Exactly what `decide(person, "run")` allows, in the order of names; parameters and targets aside."""
    seen = access.visible(Procedure.objects.filter(retired_at__isnull=True), person, "run", at=at)
    accepted = Version.objects.filter(procedure__in=seen, state=VersionState.ACCEPTED.value, expires_at__gt=at)
    halted = stops.live()
    if any(stop.environment_id is None and stop.procedure_id is None for stop in halted):
        return []
    accepted = accepted.exclude(procedure__in=[stop.procedure_id for stop in halted if stop.procedure_id])
    environments = list(
        Environment.objects.exclude(pk__in=[stop.environment_id for stop in halted if stop.environment_id])
    )
    found = []
    for version in accepted.select_related("procedure").order_by("procedure__name")[:MOST]:
        said = version.definition
        where = tuple(
            one.name
            for one in environments
            if one.name in said["environments"]
            and access.decide(person, "run", at=at, procedure=version.procedure, environment=one).allowed
        )
        if where:
            found.append(
                Offer(
                    name=version.procedure.name,
                    digest=version.digest,
                    title=brief(str(said["title"]), most=100),
                    description=brief(str(said["description"])),
                    parameters=told(said["parameters"]),
                    environments=where,
                    secrets=tuple((said.get("secrets") or {}).get("required", ())),
                )
            )
    return found


def told(schema: Any) -> Any:
    """A JSON Schema with its rules as they are, its words short and plain, and nothing else."""
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in RULES:
            made[key] = value
        elif key in WORDS:
            made[key] = brief(str(value))
        elif key in INNER:
            made[key] = told(value)
        elif key in LISTS:
            made[key] = [told(one) for one in value]
        elif key in NAMED:
            made[key] = {name: told(one) for name, one in value.items()}
    return made
