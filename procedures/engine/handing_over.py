"""What a step made goes where the plan says: kept so that its owner alone opens it, or sent to where it belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from procedures.definitions import registry
from procedures.domain import plan, results
from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.errors import OpsError
from procedures.domain.lending import Lend
from procedures.domain.ports import ActionIO, ActionResult
from procedures.domain.results import ResultNeed
from procedures.domain.secrets import Secret
from procedures.engine.tools import Tools
from procedures.models import Task
from procedures.services import made as services
from procedures.services.claims import ClaimLost
from procedures.services.made import Made

TOLD = 3


@dataclass(frozen=True, slots=True)
class _Way:
    """Whose results are handed over."""

    tools: Tools
    task: Task
    io: ActionIO


def handed_over(
    tools: Tools, step: Step, task: Task, io: ActionIO, values: Mapping[str, Secret], result: ActionResult
) -> tuple[ActionResult, list[Made]]:
    """(how the task ended now, each result and where it is). Raises ClaimLost.

    `values` are by the names of the step's output. A result that is not where it was to go fails a step that would
    have succeeded: what was made is told, and where it is not.
    """
    way = _Way(tools, task, io)
    needs = [need for need in results.of_step(tools.claimed.definition, step.id) if need.output in values]
    rows = [_one(way, need, values[need.output], result) for need in needs]
    if not rows:
        return result, []
    facts = {**result.facts, "results": [row.facts() for row in rows]}
    lost = [row for row in rows if row.state == results.UNDELIVERED]
    result = replace(result, facts=facts)
    if not lost or result.outcome != "succeeded":
        return result, rows
    told = " ".join(f"The result {row.need.name} was made, and is not where it was to go: {row.why}" for row in lost)
    io.write("system", (told + "\n").encode())
    return replace(result, outcome="failed", message=told), rows


def _one(way: _Way, need: ResultNeed, value: Secret, result: ActionResult) -> Made:
    place = results.placed(need, plan.scope_for(way.tools.claimed.definition, way.tools.claimed.ask))
    where = results.where(need.deliver, place)
    if result.outcome != "succeeded":
        return Made(need, where, results.UNDELIVERED, why="Its step did not succeed.")
    if need.deliver in results.SENT:
        return _sent(way, need, place, where, value)
    recipients = way.tools.claimed.ask.recipients.get(need.deliver, ())
    try:
        content = results.sealed(value.reveal(), recipients)
    except OpsError as problem:
        return Made(need, where, results.UNDELIVERED, why=problem.message)
    return Made(need, where, results.KEPT, content, recipients)


def _sent(way: _Way, need: ResultNeed, place: Mapping[str, str], where: str, value: Secret) -> Made:
    """Put a result where it belongs, with a credential of its own, on record before and after."""
    tools, task = way.tools, way.task
    made = Made(need, where, results.SENDING)
    services.sending(run=tools.claimed.run.id, token=tools.claimed.token, task=task, made=made, at=now())
    asked = Lend(
        run=tools.claimed.run.id,
        claim=tools.claimed.token,
        step=task.step,
        target=task.target,
        attempt=task.attempt,
        credential=tools.prefix + need.credential,
    )
    try:
        with tools.lender.lend(asked, way.io.cancelled) as lease:
            for secret in lease.material.values():
                way.io.register_secret(secret)
            registry.provider_kinds()[lease.provider].put(lease, place, value)
    except ClaimLost:
        raise
    except OpsError as problem:
        return replace(made, state=results.UNDELIVERED, why=tools.output.masker.mask_text(problem.message))
    except Exception as problem:  # noqa: BLE001 - its words may hold the value, in a form that no mask knows
        why = f"{type(problem).__name__} on the way: it is not known whether it arrived."
        return replace(made, state=results.UNDELIVERED, why=why)
    return replace(made, state=results.DELIVERED)


def lost_words(tasks: Sequence[Task]) -> str:
    """What these tasks made and did not get to its place, to end what the run says; "" for nothing."""
    rows = [row for task in tasks for row in task.facts.get("results", ()) if row["state"] == results.UNDELIVERED]
    told = dict.fromkeys(f" {row['name']} was made and is not there: {row['where']}." for row in rows)
    return "".join(list(told)[:TOLD]) + (f" {len(told) - TOLD} more." if len(told) > TOLD else "")
