"""What a confirmed change of a space does, and what it may not say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group

from procedures.domain import filters
from procedures.domain.errors import OpsError
from procedures.models import ControlChange, Person, Procedure, Space
from procedures.queries.labels import holders

OPTIONAL: Mapping[str, Any] = {"labels": [], "targets": [], "at_once": None}
FIELDS = ("title", "leads", "procedures", "environments", "verbs", "days", "risk")


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names that are not there, with pointers; a space that ends may name what is gone."""
    row = Space.objects.filter(name=object["name"], ended_at__isnull=True)
    if object["action"] == "end":
        return [] if row.exists() else [("/object/name", f"there is no space {object['name']!r}")]
    found = []
    for index, lead in enumerate(object["leads"]):
        kind, _, name = lead.partition(":")
        if kind == "person" and not holders(lead).filter(kind=Person.Kind.PERSON, is_active=True).exists():
            found.append((f"/object/leads/{index}", "there is no such person"))
        if kind == "group" and not Group.objects.filter(name=name).exists():
            found.append((f"/object/leads/{index}", f"there is no group {name!r}"))
    known = set(Procedure.objects.filter(name__in=object["procedures"]).values_list("name", flat=True))
    for index, name in enumerate(object["procedures"]):
        if name not in known:
            found.append((f"/object/procedures/{index}", f"there is no procedure {name!r}"))
    if not object["procedures"] and "labels" not in object:
        found.append(("/object/procedures", "name one, or labels"))
    return found + [row for index, text in enumerate(object.get("targets", ())) for row in _target(index, text)]


def _target(index: int, text: str) -> list[tuple[str, str]]:
    """What is wrong with a filter for targets."""
    try:
        bound = filters.parse(text)
    except OpsError as problem:
        return [(f"/object/targets/{index}", problem.message)]
    return [(f"/object/targets/{index}", "names a parameter: write a value")] if bound.expressions() else []


def hold(control: str) -> None:
    """Whoever gives access where a space counts its grants waits for whoever gives there now. In a transaction."""
    if control == "grant":
        list(Space.objects.select_for_update().filter(ended_at__isnull=True, at_once__isnull=False).order_by("pk"))


def take_effect(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """What leads gave before stays as it is; from now on they give inside these limits, or nothing any more."""
    fields: dict[str, Any] = {name: object[name] for name in FIELDS}
    fields |= {name: object.get(name, unsaid) for name, unsaid in OPTIONAL.items()}
    fields |= {"event": event, "since_at": at, "ended_at": at if object["action"] == "end" else None}
    Space.objects.update_or_create(name=object["name"], defaults=fields)
