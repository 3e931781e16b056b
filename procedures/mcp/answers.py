"""What an agent is told: how a run stands, honestly, with what programs said marked as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from mcp_types import CallToolResult, TextContent

from procedures.domain.errors import OpsError
from procedures.domain.states import TERMINAL_RUN_STATES, RunState
from procedures.domain.text import visible
from procedures.domain.untrusted import shown, wrapped
from procedures.models import LogChunk, Run, RunComment
from procedures.queries.agents import asker
from procedures.queries.offered import told
from procedures.queries.waiting import Reason

OVER = frozenset(state.value for state in TERMINAL_RUN_STATES)
WAITS = frozenset({RunState.AWAITING_APPROVAL.value, RunState.WAITING.value})
ASKED = "It asks for this; whoever it asks gives it with run_answer, as `values` of this form:"
LOOK = "Ask run_status with this run's id; calling the tool again would ask for another run."


def refusal(problem: OpsError) -> CallToolResult:
    """A tool's error: the reason, the next step, and the event that it left."""
    event = getattr(problem, "event", None)
    said: dict[str, Any] = {"code": problem.code, "message": problem.message, "next_step": problem.next_step}
    said |= {"errors": problem.field_errors()} | ({"event": str(event)} if event else {})
    return answer(f"Refused: {problem.message} {problem.next_step}", said, error=True)


def of_run(run: Run, waits: Sequence[Reason] = (), asks: Mapping[str, Any] | None = None) -> CallToolResult:
    """How a run stands; `waits` are others' words too, `asks` is what a gate's form wants to know."""
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
    if asks is not None:
        facts["asks"] = {**asks, "form": told(asks["form"])}
        texts.append(f"{ASKED}\n{json.dumps(facts['asks'], indent=1, ensure_ascii=False, sort_keys=True)}")
    if others := _others_words(run, waits):
        facts["untrusted"] = shown(others)
        texts.append(wrapped(json.dumps(others, indent=1, ensure_ascii=False, sort_keys=True)))
    return answer("\n\n".join(texts), facts, error=run.state in OVER - {RunState.SUCCEEDED.value})


def _others_words(run: Run, waits: Sequence[Reason]) -> dict[str, Any]:
    """What programs or other people put into words about this run."""
    found: dict[str, Any] = {}
    if waits:
        found["waiting_for"] = [{"kind": why.kind, "text": why.text} for why in waits]
    if run.message and (run.state in OVER or run.state == RunState.WAITING):
        found["message"] = run.message
    return found | ({"output": run.output} if run.output and run.state in OVER else {})


def _needed(run: Run) -> str:
    if run.state == RunState.AWAITING_APPROVAL:
        return ", ".join(f"{count} × {duty}" for duty, count in run.approvals_needed.items()) or "a broken glass"
    if run.paused_at is not None:
        return "somebody who resumes it"
    if run.waiting_form:
        return f"the values that the gate {run.waiting_gate} asks for"
    return f"a person's answer at the gate {run.waiting_gate}" if run.waiting_gate else "its time"


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
        pausing = " It was asked to stand still before its next step." if run.pause_asked_at else ""
        return f"{who} is {run.state.replace('_', ' ')}: it has not ended.{pausing} {LOOK}"
    return f"{who} {'succeeded' if run.state == RunState.SUCCEEDED else f'ended as {run.state}'}."


def of_remark(run: Run, made: RunComment) -> CallToolResult:
    """What became of a remark of the agent's own."""
    reached = f" {len(made.mentions)} {'person was' if len(made.mentions) == 1 else 'people were'} told."
    missed = f" Not told: {', '.join(made.untold)}: nobody of that name may see this run." if made.untold else ""
    facts = {"run": str(run.id), "no": run.no, "comment": str(made.pk), "told": len(made.mentions)}
    text = f"It stands at run #{run.no}, marked as written by software.{reached if made.mentions else ''}{missed}"
    return answer(text, facts | {"not_told": made.untold})


def of_comments(run: Run, rows: Sequence[RunComment], *, after: int, more: bool) -> CallToolResult:
    """A piece of what was said of a run, oldest first."""
    last = after + len(rows)
    facts: dict[str, Any] = {"run": str(run.id), "no": run.no, "after": last, "more": more}
    if not rows:
        return answer(f"Nobody said {'anything more' if after else 'anything'} of run #{run.no}.", facts)
    said = [{"by": asker(row.author), "at": f"{row.at:%Y-%m-%d %H:%M} UTC", "body": row.body} for row in rows]
    go_on = f" Go on with after={last}." if more else ""
    text = json.dumps(said, indent=1, ensure_ascii=False)
    return answer(
        f"What was said of run #{run.no}.{go_on}\n\n{wrapped(text, most=60_000)}",
        facts | {"untrusted": {"comments": said}},
    )


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
