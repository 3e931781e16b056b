"""What an agent is told: how a run stands, honestly, with what programs said marked as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from mcp_types import CallToolResult, TextContent

from procedures.domain.errors import OpsError
from procedures.domain.states import TERMINAL_RUN_STATES, RunState
from procedures.domain.text import visible
from procedures.domain.untrusted import shown, wrapped
from procedures.models import LogChunk, Run

OVER = frozenset(state.value for state in TERMINAL_RUN_STATES)
WAITS = frozenset({RunState.AWAITING_APPROVAL.value, RunState.WAITING.value})
LOOK = "Ask run_status with this run's id; calling the tool again would ask for another run."


def refusal(problem: OpsError) -> CallToolResult:
    """A tool's error: the reason, the next step, and the event that it left."""
    event = getattr(problem, "event", None)
    said: dict[str, Any] = {"code": problem.code, "message": problem.message, "next_step": problem.next_step}
    said |= {"errors": problem.field_errors()} | ({"event": str(event)} if event else {})
    return answer(f"Refused: {problem.message} {problem.next_step}", said, error=True)


def of_run(run: Run) -> CallToolResult:
    """How a run stands."""
    facts: dict[str, Any] = {
        "run": str(run.id),
        "no": run.no,
        "procedure": run.procedure.name,
        "environment": run.environment_id,
        "state": run.state,
        "url": f"{settings.OPSPORTAL_PUBLIC_URL}/runs/{run.id}/",
    }
    if run.state in WAITS:
        facts["waiting_for"] = _needed(run)
    texts = [_sentence(run, facts)]
    if run.state in OVER and (run.output or run.message):
        gave = {"output": run.output, "message": run.message}
        facts["untrusted"] = shown(gave)
        texts.append(wrapped(json.dumps(gave, indent=1, ensure_ascii=False, sort_keys=True)))
    return answer("\n\n".join(texts), facts, error=run.state in OVER - {RunState.SUCCEEDED.value})


def _needed(run: Run) -> str:
    if run.waiting_gate:
        return f"a person's answer at the gate {run.waiting_gate}"
    return ", ".join(f"{count} × {duty}" for duty, count in run.approvals_needed.items()) or "its time"


def _sentence(run: Run, facts: Mapping[str, Any]) -> str:
    who = f"Run #{run.no} of {run.procedure.name} in {run.environment_id}"
    if run.state == RunState.AWAITING_APPROVAL:
        return (
            f"{who} is waiting for approval by {facts['waiting_for']}: a person who stands behind none of this "
            f"decides at {settings.OPSPORTAL_PUBLIC_URL}/approvals/{run.id}/. Nothing has happened yet. {LOOK}"
        )
    if run.state == RunState.WAITING:
        return f"{who} has stopped half-way and waits for {facts['waiting_for']}. {LOOK}"
    if run.state not in OVER:
        return f"{who} is {run.state.replace('_', ' ')}: it has not ended. {LOOK}"
    return f"{who} {'succeeded' if run.state == RunState.SUCCEEDED else f'ended as {run.state}'}."


def of_log(run: Run, chunks: list[LogChunk], *, more: bool) -> CallToolResult:
    """A piece of what a run printed."""
    last = chunks[-1].seq if chunks else None
    text = "\n".join(f"[{c.step or 'run'}{f' on {c.target}' if c.target else ''}] {c.text}" for c in chunks)
    go_on = f" Go on with after={last}." if more else ""
    facts = {"run": str(run.id), "no": run.no, "state": run.state, "after": last, "more": more}
    if not chunks:
        return answer(f"Run #{run.no} printed nothing{' more' if run.state in OVER else ' yet'}.", facts)
    return answer(f"What run #{run.no} printed.{go_on}\n\n{wrapped(text, most=60_000)}", facts)


def answer(text: str, facts: Mapping[str, Any], *, error: bool = False) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=visible(text))], structured_content=shown(facts), is_error=error
    )
