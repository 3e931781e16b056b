"""Policies as control objects: a shipped one with its defaults, or one of a few rules of Rego."""

from __future__ import annotations

from typing import Any

from procedures.policy import shipped
from tests.factories.portal import World


def ours(name: str, **settings: Any) -> dict[str, Any]:
    """A shipped policy, switched on at every stage that it has rules for."""
    one = shipped.policies()[name]
    defaults = {key: rules["default"] for key, rules in one.schema["properties"].items()}
    return {
        "name": name,
        "shipped": name,
        "source": one.source,
        "settings": {**defaults, **settings},
        "mode": "on",
        "stages": list(one.stages),
    }


def rules(text: str, *stages: str, name: str = "house", **more: Any) -> dict[str, Any]:
    """A policy of the house's own."""
    return {
        "name": name,
        "source": f"package {name}\n\n{text}\n",
        "settings": {},
        "mode": "on",
        "stages": list(stages) or ["submit"],
        **more,
    }


def put(world: World, object: dict[str, Any]) -> None:
    """In force, as Mira and Nora made it."""
    assert world.confirmed("policy", object).state == "confirmed"
