"""What a tool does: it asks for a run through the service that every door asks, or looks at one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mcp_types import CallToolResult

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.parameters import text_problem
from procedures.mcp import answers
from procedures.models import Person, Run
from procedures.queries import pages_runs
from procedures.services import runs

ARGUMENTS: Mapping[str, type] = {"environment": str, "reason": str, "parameters": dict}
LOG_PIECES = 100


def ask(person: Person, procedure: str, given: Mapping[str, Any]) -> Run:
    """A run as this agent; its owner and whoever made its token stand in the chain. Raises what the service raises.

    A name that is no tool of this agent is asked for all the same: the refusal is the service's, and evidence.
    """
    wish = runs.Wish(door="mcp", procedure=procedure, **_checked(given))
    return runs.request_run(actor=person, wish=wish, at=now())


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    problems = [(f"/{name}", "is no argument of this tool") for name in given if name not in ARGUMENTS]
    for name, kind in ARGUMENTS.items():
        value = given.get(name, kind())
        if not isinstance(value, kind):
            problems.append((f"/{name}", f"is no {'object' if kind is dict else 'text'}"))
        elif isinstance(value, str) and (why := text_problem(value) or ("" if value.strip() else "is required")):
            problems.append((f"/{name}", why))
    if problems:
        raise InvalidInput(problems)
    return {name: given.get(name, kind()) for name, kind in ARGUMENTS.items()}


def look(person: Person, name: str, given: Mapping[str, Any]) -> CallToolResult:
    """`run_status` or `run_log`. Raises NotFound, NotAllowed, InvalidInput."""
    run = seen(person, given.get("run"))
    if name == "run_status":
        return answers.of_run(run)
    if not pages_runs.may_read_output(person, run, now()):
        raise NotAllowed("You may know of this run, but not read what it printed.")
    after = given.get("after", 0)
    if not isinstance(after, int) or after < 0:
        raise InvalidInput([("/after", "is no number from 0 on")])
    chunks = list(run.log.filter(seq__gt=after).order_by("seq")[: LOG_PIECES + 1])
    return answers.of_log(run, chunks[:LOG_PIECES], more=len(chunks) > LOG_PIECES)


def seen(person: Person, named: Any) -> Run:
    """A run by id or number, if this agent may know of it. Raises NotFound."""
    text = str(named)
    runs_seen = pages_runs.seen_by(person, now())
    if text.isdecimal() and len(text) < 10:
        row = runs_seen.filter(no=int(text)).first()
    else:
        row = runs_seen.filter(pk=_uuid(text)).first()
    if row is None:
        raise NotFound("There is no such run.")
    return row


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as problem:
        raise NotFound("There is no such run.") from problem
