"""A step that an importer could not carry over: it names what it was, and blocks publication until it is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from procedures.domain.importing import MARKED
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult


class TodoReplace(Action):
    id = MARKED
    summary = "Stands where an importer found something it does not know; a version that holds one is not published."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["was"],
        "properties": {
            "was": {"type": "string", "minLength": 1, "maxLength": 200},
            "input": {},
            "hint": {"type": "string"},
        },
        "additionalProperties": False,
    }

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {"does": f"nothing: {call.input['was']} has no counterpart yet"}

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        return ActionResult("failed", message=f"{call.input['was']} has no counterpart yet; replace this step.")
