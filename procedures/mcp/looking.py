"""How an agent looks at a run: what it waits for, what it printed, what people said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from mcp_types import CallToolResult

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.mcp import answers
from procedures.mcp.arguments import checked
from procedures.models import Person, Run
from procedures.queries import pages_runs, waiting

LOG_PIECES = 100
COMMENTS = 100
Given = Mapping[str, Any]


def look(person: Person, name: str, given: Given) -> CallToolResult:
    """One of LOOKS at a run that this agent sees. Raises NotFound, NotAllowed, InvalidInput."""
    run = seen(person, given.get("run"))
    return LOOKS[name](person, run, {key: value for key, value in given.items() if key != "run"})


def stands(person: Person, named: Any) -> CallToolResult:
    """How a run stands, with what keeps it waiting and what it asks for, as far as this agent may know."""
    run = seen(person, named)
    return answers.of_run(run, waiting.waiting_for(run, person, now()), pages_runs.asks(run))


def _status(person: Person, run: Run, given: Given) -> CallToolResult:
    checked(given, {})
    return stands(person, run.pk)


def _log(person: Person, run: Run, given: Given) -> CallToolResult:
    after = _after(given)
    if not pages_runs.may_read_output(person, run, now()):
        raise NotAllowed("You may know of this run, but not read what it printed.")
    chunks = list(run.log.filter(seq__gt=after).order_by("seq")[: LOG_PIECES + 1])
    return answers.of_log(run, chunks[:LOG_PIECES], more=len(chunks) > LOG_PIECES)


def _comments(person: Person, run: Run, given: Given) -> CallToolResult:
    """The remarks after the first `after` of them."""
    after = _after(given)
    rows = list(run.comments.select_related("author__owner")[after : after + COMMENTS + 1])
    return answers.of_comments(run, rows[:COMMENTS], after=after, more=len(rows) > COMMENTS)


def _after(given: Given) -> int:
    after: int = checked(given, {"after": int})["after"]
    if not 0 <= after < 2**53:
        raise InvalidInput([("/after", "is no number from 0 on")])
    return after


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


LOOKS: Mapping[str, Callable[[Person, Run, Given], CallToolResult]] = {
    "run_status": _status,
    "run_log": _log,
    "run_comments": _comments,
}
