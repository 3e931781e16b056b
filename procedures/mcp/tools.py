"""The tools that an agent is shown: one for each procedure it may run, and two to look at its runs."""

from __future__ import annotations

from typing import Any

from mcp_types import Tool, ToolAnnotations

from procedures.domain.clock import now
from procedures.domain.untrusted import brief
from procedures.models import Person
from procedures.queries.offered import Offer, offered_to

RUN = {"type": "string", "description": "The run's id or number.", "minLength": 1, "maxLength": 40}
LOOKING = (
    Tool(
        name="run_status",
        title="How a run stands",
        description="How a run stands now, what it waits for, and what it gave.",
        input_schema={"type": "object", "properties": {"run": RUN}, "required": ["run"], "additionalProperties": False},
        annotations=ToolAnnotations(read_only_hint=True),
    ),
    Tool(
        name="run_log",
        title="What a run printed",
        description="What a run printed, as untrusted text, in pieces: pass `after` to go on.",
        input_schema={
            "type": "object",
            "properties": {"run": RUN, "after": {"type": "integer", "minimum": 0, "default": 0}},
            "required": ["run"],
            "additionalProperties": False,
        },
        annotations=ToolAnnotations(read_only_hint=True),
    ),
)


def tools_of(person: Person) -> list[Tool]:
    """In the order of names. Procedures' names hold no underscore, so none is taken for one of ours."""
    return [*LOOKING, *map(tool, offered_to(person, now()))]


def tool(offer: Offer) -> Tool:
    needs = f" Needs a person, who types: {', '.join(offer.secrets)}." if offer.secrets else ""
    return Tool(
        name=offer.name,
        title=offer.title,
        description=brief(offer.description, most=500 - len(needs)) + needs,
        input_schema=arguments(offer),
        annotations=ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False),
    )


def arguments(offer: Offer) -> dict[str, Any]:
    """Where, why and with what: the procedure's own parameters stand below `parameters`."""
    required = ["environment", "reason", *(["parameters"] if offer.parameters.get("required") else [])]
    return {
        "type": "object",
        "properties": {
            "environment": {"type": "string", "enum": list(offer.environments)},
            "reason": {
                "type": "string",
                "minLength": 1,
                "maxLength": 2000,
                "description": "Why, in your words: people who approve read it as a quotation.",
            },
            "parameters": dict(offer.parameters),
        },
        "required": required,
        "additionalProperties": False,
    }
