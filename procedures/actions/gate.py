"""Gates: the run waits for a person or a time, and holds no runner meanwhile. The engine parks it; nothing acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from procedures.domain import waits
from procedures.domain.definition import DUTIES
from procedures.domain.duration import PATTERN
from procedures.domain.errors import OpsError
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult

DURATION = {"type": "string", "pattern": PATTERN}


class _Gate(Action):
    gate: ClassVar[bool] = True

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return dict(call.input)

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        raise OpsError(f"The gate {call.step} was run; a gate only waits.")


class GateApproval(_Gate):
    """Waits for approvers outside the chain; `approvers` is {duty: count}."""

    id: ClassVar[str] = "gate:approval"
    summary: ClassVar[str] = "Waits until enough people of the named duties approve, or one turns it down."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["message"],
        "properties": {
            "message": {"type": "string", "maxLength": 2000},
            "expires": DURATION,
            "approvers": {
                "type": "object",
                "propertyNames": {"enum": list(DUTIES)},
                "minProperties": 1,
                "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 9},
            },
        },
    }


class GateWait(_Gate):
    """Waits a length of time, or until a time of day in a zone, or until an instant."""

    id: ClassVar[str] = "gate:wait"
    summary: ClassVar[str] = "Waits for a while, or until a time of day or a moment."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "oneOf": [{"required": ["for"]}, {"required": ["until"]}],
        "dependentRequired": {"zone": ["until"]},
        "properties": {
            "for": DURATION,
            "until": {"type": "string", "pattern": waits.UNTIL},
            "zone": {"type": "string", "pattern": waits.ZONE, "maxLength": 60},
            "message": {"type": "string", "maxLength": 2000},
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        until, zone = input.get("until"), input.get("zone")
        why = waits.problem(until, zone) if isinstance(until, str) else ""
        return [("/until", f"{why}.")] if why else []
