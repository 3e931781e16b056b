"""A step that fails where something was taken away from it: its words name the narrowing, and the way back."""

from __future__ import annotations

from dataclasses import replace

from procedures.domain import narrower
from procedures.domain.definition import Definition, Step
from procedures.domain.ports import ActionResult

GOOD = ("succeeded", "canceled")


def with_way_back(definition: Definition, step: Step, result: ActionResult) -> ActionResult:
    """The result, which tells what this very step lost; of a host only where the step asked for one in vain."""
    if result.outcome in GOOD or not definition.narrowed:
        return result
    refused = int((result.facts.get("egress") or {}).get("refused", 0))
    closed = step.input.get("network") is not True and "egress" not in step.input
    lost = [narrower.told(definition, "host", step=step.id)] if refused or closed else []
    lost.append(narrower.told(definition, "writes", step=step.id))
    if not step.credentials:
        lost.append(narrower.told(definition, "credential", step=step.id))
    words = " ".join(one for one in lost if one)
    return replace(result, message=f"{result.message} {words}".strip()) if words else result
