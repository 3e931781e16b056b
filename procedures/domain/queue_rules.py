"""What an environment's rules say of its queue: limits, shares of teams, and groups that procedures share.

Part of the environment's control object: proposed and confirmed like every other rule of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}


def _count(most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most}


def _named(values: Mapping[str, Any], most: int) -> dict[str, Any]:
    return {"type": "object", "propertyNames": NAME, "additionalProperties": values, "maxProperties": most}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "running": _count(5_000),
        "queued": _count(100_000),
        "person_running": _count(5_000),
        "person_queued": _count(100_000),
        "procedures": _named(_count(5_000), 500),
        "shares": _named(_count(100), 500),
        "shared": _named({"type": "array", "items": NAME, "minItems": 2, "maxItems": 50, "uniqueItems": True}, 200),
    },
}


@dataclass(frozen=True, slots=True)
class QueueRules:
    """Limits of one environment; what its rules do not say has these defaults.

    `running` and `person_running` count runs that a runner drives; `procedures` holds such a limit by name. `shares`
    weighs teams against each other, 1 unless said. `shared` lists, by the name of a shared group, who may be in it.
    """

    running: int = 500
    queued: int = 20_000
    person_running: int = 50
    person_queued: int = 1_000
    procedures: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, int] = field(default_factory=dict)
    shared: Mapping[str, list[str]] = field(default_factory=dict)


def rules_of(value: Mapping[str, Any]) -> QueueRules:
    """The rules as an environment keeps them."""
    return QueueRules(**value)
