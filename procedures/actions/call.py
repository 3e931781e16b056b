"""`procedure:run`: another accepted procedure, pinned by digest in the closure; its steps stand in this plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from procedures.domain import expressions
from procedures.domain.calls import CALL
from procedures.domain.errors import OpsError
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult

NAME = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class ProcedureRun(Action):
    """The engine drives the called procedure's own steps; this only says how a call is written."""

    id: ClassVar[str] = CALL
    summary: ClassVar[str] = "Runs another accepted procedure, under its own limits, as part of this run."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["procedure"],
        "additionalProperties": False,
        "properties": {
            "procedure": {"type": "string", "pattern": NAME},
            "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
            "parameters": {"type": "object"},
            "secrets": {
                "type": "object",
                "additionalProperties": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]*$"},
            },
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        names = expressions.names_used(input.get("parameters") or {})
        if any(path[0] in {"steps", "secrets", "run", "each"} for path in names):
            return [("/parameters", "A call's parameters are known when the plan is made; hand over no step's output.")]
        return []

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {"procedure": call.input["procedure"], "parameters": dict(call.input.get("parameters") or {})}

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        raise OpsError(f"The call {call.step} was run as an action; the engine drives calls.")
