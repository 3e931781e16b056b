"""What a change of authority weighs, as the tables stand: how strong its signatures must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import controls, statements
from procedures.models import Environment


def production_names() -> set[str]:
    return set(Environment.objects.filter(production=True).values_list("name", flat=True))


def minimum_strength(control: str, object: Mapping[str, Any]) -> str:
    """The strongest minimum of the environments that the change weighs on."""
    rows = Environment.objects.all()
    named: list[str] = object.get("environments") or []
    if isinstance(object.get("environment"), str):
        named = [object["environment"]]
    if control == "environment":
        named = [object["name"]]
    if control not in controls.PORTAL_WIDE and named:
        rows = rows.filter(name__in=named)
    return max((row.min_strength for row in rows), key=statements.STRENGTHS.index, default="session")
