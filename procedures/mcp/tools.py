"""The tools that an agent is shown: one for each procedure it may run, and some to look at runs and act on them."""

from __future__ import annotations

from typing import Any

from mcp_types import Tool, ToolAnnotations

from procedures.domain.clock import now
from procedures.domain.untrusted import brief
from procedures.models import Person
from procedures.queries.offered import Offer, offered_to

RUN = {"type": "string", "description": "The run's id or number.", "minLength": 1, "maxLength": 40}
AFTER = {"type": "integer", "minimum": 0, "default": 0}
WHY = {"type": "string", "maxLength": 2000, "description": "Why, in your words: people read it as a quotation."}


def ours(
    name: str, title: str, says: str, *, reads: bool = False, moves: bool = False, needs: str = "", **fields: Any
) -> Tool:
    """A tool of this door's own, about one run; `moves`: after it the run acts on the world, or fails."""
    return Tool(
        name=name,
        title=title,
        description=says,
        input_schema={
            "type": "object",
            "properties": {"run": RUN, **fields},
            "required": ["run", *needs.split()],
            "additionalProperties": False,
        },
        annotations=ToolAnnotations(read_only_hint=reads, destructive_hint=moves, idempotent_hint=reads),
    )


LOOKING = (
    ours(
        "run_status",
        "How a run stands",
        "How a run stands now, why it waits, what it asks for, and what it gave.",
        reads=True,
    ),
    ours(
        "run_log",
        "What a run printed",
        "What a run printed, as untrusted text, in pieces: pass `after` to go on.",
        reads=True,
        after=AFTER,
    ),
    ours(
        "run_comments",
        "What was said of a run",
        "What people and programs said of a run, as untrusted text, in pieces: pass `after` to go on.",
        reads=True,
        after=AFTER,
    ),
)
ACTING = (
    ours(
        "run_comment",
        "Say something of a run",
        "Leave a remark at a run, marked as written by software; `@name` tells a person who may see the run. It stays "
        "as evidence and decides nothing.",
        needs="body",
        body={"type": "string", "minLength": 1, "maxLength": 4000},
    ),
    ours(
        "run_pause",
        "Let a run stand still",
        "Ask a run to stand still before its next step; what is under way ends first. Yours, or with the right to "
        "cancel there.",
        reason=WHY,
    ),
    ours(
        "run_resume",
        "Let a paused run go on",
        "Let a paused run go on, or take back a pause that has not begun.",
        moves=True,
    ),
    ours(
        "run_answer",
        "Answer what a run asks",
        "Give the values that a run of yours asks for at a gate, as run_status shows them; or `refuse`, and the run "
        "fails and clears up. In production a person answers.",
        moves=True,
        values={"type": "object"},
        refuse={"type": "boolean", "default": False},
        reason=WHY,
    ),
)


def tools_of(person: Person) -> list[Tool]:
    """In the order of names. Procedures' names hold no underscore, so none is taken for one of ours."""
    return [*LOOKING, *ACTING, *map(tool, offered_to(person, now()))]


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
