"""What an agent may do at a run that is there already: through the services that page, API and command line ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mcp_types import CallToolResult

from procedures.domain.clock import now
from procedures.mcp import answers
from procedures.mcp.arguments import checked
from procedures.mcp.looking import seen, stands
from procedures.models import Person, Run
from procedures.services import gate_answers, pauses, run_comments

Given = Mapping[str, Any]


def act(person: Person, name: str, given: Given) -> CallToolResult:
    """One of ACTS at a run that this agent sees. Raises NotFound, InvalidInput, and what its service raises."""
    run = seen(person, given.get("run"))
    return ACTS[name](person, run, {key: value for key, value in given.items() if key != "run"})


def _pause(person: Person, run: Run, given: Given) -> CallToolResult:
    said = checked(given, {"reason": str})
    pauses.pause_run(actor=person, run=run.pk, reason=said["reason"], at=now())
    return stands(person, run.pk)


def _resume(person: Person, run: Run, given: Given) -> CallToolResult:
    checked(given, {})
    pauses.resume_run(actor=person, run=run.pk, at=now())
    return stands(person, run.pk)


def _answer(person: Person, run: Run, given: Given) -> CallToolResult:
    said = checked(given, {"values": dict, "refuse": bool, "reason": str})
    here: dict[str, Any] = {"actor": person, "run": run.pk, "at": now(), "bearer": True}
    if said["refuse"]:
        gate_answers.refuse_answer(reason=said["reason"], **here)
    else:
        gate_answers.answer_run(values=said["values"], **here)
    return stands(person, run.pk)


def _comment(person: Person, run: Run, given: Given) -> CallToolResult:
    said = checked(given, {"body": str}, required=("body",))
    made = run_comments.comment_run(actor=person, run=run.pk, body=said["body"], at=now())
    return answers.of_remark(run, made)


ACTS: Mapping[str, Callable[[Person, Run, Given], CallToolResult]] = {
    "run_pause": _pause,
    "run_resume": _resume,
    "run_answer": _answer,
    "run_comment": _comment,
}
