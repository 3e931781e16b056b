"""What a tool does that is named as a procedure: it asks for a run through the service that every door asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain.clock import now
from procedures.mcp.arguments import checked
from procedures.models import Person, Run
from procedures.services import runs

ARGUMENTS: Mapping[str, type] = {"environment": str, "reason": str, "parameters": dict}


def ask(person: Person, procedure: str, given: Mapping[str, Any]) -> Run:
    """A run as this agent; its owner and whoever made its token stand in the chain. Raises what the service raises.

    A name that is no tool of this agent is asked for all the same: the refusal is the service's, and evidence.
    """
    said = checked(given, ARGUMENTS, required=("environment", "reason"))
    return runs.request_run(actor=person, wish=runs.Wish(door="mcp", procedure=procedure, **said), at=now())
