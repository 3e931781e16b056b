"""The floor of retention, as two people set it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain.retention import CONTROL
from procedures.models import ControlChange, PortalSetting
from procedures.queries.retention import floor_in_force


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    same = object["days"] == floor_in_force()
    return [("/object/days", "is the floor that holds already")] if same else []


def take_effect(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """For runs that are asked for from now on: the date of every other run is written down, and stays."""
    PortalSetting.objects.update_or_create(name=CONTROL, defaults={"value": dict(object), "since_at": at})
