"""What a confirmed change of an inventory does, and what it may not say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain.inventories import settings_problems
from procedures.models import ControlChange, Environment, Inventory

FIELDS = ("kind", "settings", "trust", "every_s", "takes")


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an inventory may not say, by pointer: it serves one environment for good; it takes nothing in production."""
    found = settings_problems(object)
    row = Inventory.objects.filter(name=object["name"]).first()
    if row is not None and row.environment_id != object["environment"]:
        found.append(("/object/environment", f"is {row.environment_id} for good; name another inventory for this one"))
    production = Environment.objects.filter(name=object["environment"], production=True).exists()
    if production and object["takes"]:
        found.append(("/object/takes", "must be false in production: people confirm each target there"))
    if object["action"] == "end" and (row is None or row.ended_at is not None):
        found.append(("/object/name", f"there is no inventory {object['name']!r}"))
    return found


def take_effect(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """The inventory is as the change says; one that ends leaves its targets as they are."""
    fields: dict[str, Any] = {name: object[name] for name in FIELDS}
    fields |= {"environment_id": object["environment"], "set_by": change.proposer, "event": event, "since_at": at}
    fields |= {"ended_at": at if object["action"] == "end" else None, "asked_at": at, "problem": ""}
    Inventory.objects.update_or_create(name=object["name"], defaults=fields)
