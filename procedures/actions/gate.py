"""Gates: the run waits for a person or a time, and holds no runner meanwhile. The engine parks it; nothing acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from procedures.domain import gate_forms, waits
from procedures.domain.definition import DUTIES
from procedures.domain.duration import PATTERN
from procedures.domain.errors import OpsError
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult

DURATION = {"type": "string", "pattern": PATTERN}
QUORUM = {
    "type": "object",
    "propertyNames": {"enum": list(DUTIES)},
    "minProperties": 1,
    "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 9},
}


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
            "approvers": QUORUM,
        },
    }


class GateInput(_Gate):
    """Asks for a few typed, bounded values; `answerers` is {duty: count}, or the requester."""

    id: ClassVar[str] = "gate:input"
    summary: ClassVar[str] = "Waits until somebody filled in a form; later steps read it as this step's output."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["message", "form"],
        "properties": {
            "message": {"type": "string", "maxLength": 2000},
            "expires": DURATION,
            "form": {"type": "object", "required": ["properties"]},
            "answerers": {"anyOf": [{"const": "requester"}, QUORUM]},
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        form = input.get("form")
        return gate_forms.problems(form) if isinstance(form, Mapping) else []


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
