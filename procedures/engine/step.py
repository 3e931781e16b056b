"""One step over its targets: a thread per target, retries with backoff, a lease per attempt, the truth at the end."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from django.db import connections

from procedures.domain import plan, results
from procedures.domain.canonical import digest
from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.errors import OpsError
from procedures.domain.lending import Lend, NoLongerWanted
from procedures.domain.plan import Unit
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult, Lease
from procedures.domain.secrets import Secret
from procedures.domain.seen import of_task
from procedures.engine.artifacts import kept
from procedures.engine.handing_over import handed_over
from procedures.engine.narrowed import with_way_back
from procedures.engine.output import TaskIO, masked
from procedures.engine.own_secrets import OwnSecrets
from procedures.engine.renewing import renewed
from procedures.engine.tools import Place, Tools
from procedures.engine.watch import Watch
from procedures.engine.withheld import WithheldIO
from procedures.models import Task
from procedures.services import catalogue, tasks
from procedures.services.artifacts import Kept, stored_bytes
from procedures.services.claims import Claimed, ClaimLost
from procedures.services.made import Made

THREADS = 64
BEYOND_S = 300.0  # what rollback and `always` get beyond the run's own deadline


def run_step(
    tools: Tools, step: Step, place: Place, units: Sequence[Unit], scope: Mapping[str, Any]
) -> dict[str, Task]:
    """Run a step on all its targets at once, or on its items one by one; the last attempt's task per label."""
    if len(units) == 1 or units[0].target is None:
        return _one_by_one(tools, step, place, units, scope)
    with ThreadPoolExecutor(max_workers=min(THREADS, len(units)), thread_name_prefix="target") as pool:
        waiting = {unit.label: pool.submit(_in_thread, tools, step, place, unit, scope) for unit in units}
        return {name: future.result() for name, future in waiting.items()}


def _one_by_one(
    tools: Tools, step: Step, place: Place, units: Sequence[Unit], scope: Mapping[str, Any]
) -> dict[str, Task]:
    """Items in their order; the first that fails ends the row unless the author says `onFailure: continue`."""
    found: dict[str, Task] = {}
    for unit in units:
        task = found[unit.label] = _in_unit(tools, step, place, unit, scope)
        if task.state != "succeeded" and step.on_failure != "continue":
            break
    return found


def _in_thread(tools: Tools, step: Step, place: Place, unit: Unit, scope: Mapping[str, Any]) -> Task:
    try:
        return _in_unit(tools, step, place, unit, scope)
    finally:
        connections.close_all()


def _in_unit(tools: Tools, step: Step, place: Place, unit: Unit, scope: Mapping[str, Any]) -> Task:
    delay = float(step.retry.delay_s)
    for attempt in range(1, step.retry.attempts + 1):
        task = _attempt(tools, step, place, unit, scope, attempt)
        if task.state == "succeeded" or attempt == step.retry.attempts or tools.watch.cancelled.is_set():
            break
        tools.watch.cancelled.wait(delay * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, guards nothing
        delay *= step.retry.backoff
    return task


def _attempt(tools: Tools, step: Step, place: Place, unit: Unit, scope: Mapping[str, Any], attempt: int) -> Task:
    claimed, action = tools.claimed, tools.actions[step.action]
    try:
        call = plan.call_for(
            claimed.files,
            claimed.ask,
            step,
            unit.target,
            scope=scope,
            each=unit.each,
            attempt=attempt,
            seconds_left=_seconds_left(step, claimed, place),
        )
        does = digest(plan.plain(action.plan(call)))
    except OpsError as problem:
        call, does = None, digest({"refused": problem.code})
        refusal = problem.message
    task = tasks.begin(
        run=claimed.run.id,
        token=claimed.token,
        phase=place.phase,
        step=tools.prefix + step.id,
        target=unit.label,
        attempt=attempt,
        position=place.position,
        batch=place.batch,
        does=does,
        at=now(),
    )
    io = TaskIO(
        tools.output,
        step=task.step,
        target=task.target,
        task=task.id,
        cancelled=tools.watch.cancelled,
        own=OwnSecrets(tools, step, task).take,
    )
    made: list[Made] = []
    if call is None:
        result = ActionResult("failed", message=refusal)
        io.write("system", (refusal + "\n").encode())
    elif (needs := results.of_step(claimed.definition, step.id)) or step.sensitive:
        held = WithheldIO(io, needs, step.sensitive)
        result = _truth(_act(tools, step, action, replace(call, nonce=task.id.hex), held, unit.label), tools.watch)
        held.end()
        result, made = handed_over(tools, step, task, io, held.made, result)
    else:
        result = _act(tools, step, action, replace(call, nonce=task.id.hex), io, unit.label)
    io.close()
    _finish(tools, task, _truth(result, tools.watch), io, step, made)
    return task


def _act(tools: Tools, step: Step, action: Action, call: ActionCall, io: ActionIO, label: str) -> ActionResult:
    """Lend what the step needs, act, and turn what goes wrong on our side into a failed task that says so."""
    if tools.watch.cancelled.is_set():
        return ActionResult("canceled", message="Canceled before it began.")
    try:
        if action.shares_files:
            call = replace(call, workspace=tools.workspaces.of(tools.prefix))
        if not step.credentials:
            return _catalogued(tools, step, _run(action, call, io))
        asked = Lend(
            run=tools.claimed.run.id,
            claim=tools.claimed.token,
            step=tools.prefix + step.id,
            target=label,
            attempt=call.attempt,
            credential=tools.prefix + step.credentials[0],
        )
        with tools.lender.lend(asked, io.cancelled) as lease:
            for secret in lease.material.values():
                io.register_secret(secret)
            with renewed(lease, io, seconds_left=call.seconds_left) as told:
                return told(_run(action, _equipped(call, lease), io))
    except ClaimLost:
        raise
    except NoLongerWanted as problem:
        return ActionResult("canceled", message=problem.message)
    except OpsError as problem:
        io.write("system", (problem.message + "\n").encode())
        return ActionResult("failed", message=problem.message, facts={"refused": problem.code})
    except Exception as problem:  # noqa: BLE001 - a defect of a plug-in must end as a failed task, masked
        words = "" if isinstance(io, WithheldIO) else f": {problem}"  # they may hold what no mask knows yet
        text = tools.output.masker.mask_text(f"{type(problem).__name__}{words}")
        io.write("system", (text + "\n").encode())
        return ActionResult("failed", message=text[:2000], facts={"defect": type(problem).__name__})


def _run(action: Action, call: ActionCall, io: ActionIO) -> ActionResult:
    return io.run(action, call) if isinstance(io, WithheldIO) else action.run(call, io)


def _equipped(call: ActionCall, lease: Lease) -> ActionCall:
    """The call with its lease and what programs read of it; the step's own variables go before those."""
    plain = {name: value for name, value in lease.env.items() if isinstance(value, str)}
    hidden = {name: value for name, value in lease.env.items() if isinstance(value, Secret) and name not in call.env}
    return replace(call, lease=lease, env={**plain, **call.env}, secret_env={**hidden, **call.secret_env})


def _catalogued(tools: Tools, step: Step, result: ActionResult) -> ActionResult:
    """The result, once the entities that it describes are in the catalogue. Raises what the catalogue refuses."""
    if result.outcome == "succeeded" and result.described:
        rows = [replace(one, document=masked(tools.output.masker, one.document)) for one in result.described]
        catalogue.register(
            run=tools.claimed.run.id,
            token=tools.claimed.token,
            step=tools.prefix + step.id,
            described=rows,
            at=now(),
        )
    return result


def _truth(result: ActionResult, watch: Watch) -> ActionResult:
    """A task that a time limit of the whole run cut off timed out; it was not canceled by a person."""
    if result.outcome == "canceled" and watch.signal == "timeout":
        return replace(result, outcome="timed_out", message=result.message or "The run's time was over.")
    return result


def _finish(tools: Tools, task: Task, result: ActionResult, io: TaskIO, step: Step, made: Sequence[Made] = ()) -> None:
    tools.output.flush()
    masker = tools.output.masker
    files: list[Kept] = []
    if result.files:
        files, result = kept(step, result, masker, stored_bytes(tools.claimed.run.id))
    result = with_way_back(tools.claimed.definition, step, result)
    message = masker.mask_text(result.message)
    facts = {name: value for name, value in result.facts.items() if name != "seen"}
    if used := of_task(result.facts, step.input, lent=bool(step.credentials)):
        facts["seen"] = used
    tasks.finish(
        run=tools.claimed.run.id,
        token=tools.claimed.token,
        task=task,
        result=replace(
            result,
            message=message,
            output=masked(masker, dict(result.output)),
            facts=masked(masker, facts),
        ),
        transcript=io.transcript.facts(io.readable),
        seed=io.transcript.kept.seed,
        artifacts=files,
        made=made,
        signer=tools.signer,
        at=now(),
    )


def record_task(tools: Tools, step: Step, place: Place, result: ActionResult) -> Task:
    """The task of a call: it has no effect of its own, and ends as what it called ended."""
    return _recorded(tools, step, place, "", {"procedure": step.input["procedure"]}, result)


def record_answer(tools: Tools, step: Step, place: Place, values: Mapping[str, Any]) -> Task:
    """The task of a gate that was answered: what people gave is its output."""
    does = {"answered": digest(plan.plain(values))}
    return _recorded(tools, step, place, "", does, ActionResult("succeeded", output=dict(values), message="answered"))


def refuse_step(
    tools: Tools,
    step: Step,
    place: Place,
    units: Sequence[Unit],
    problem: OpsError,
    *,
    why: str = "Its condition cannot be evaluated",
) -> dict[str, Task]:
    """A failed task per label for a step of which nobody can say whether it is wanted: it does not run."""
    result = ActionResult("failed", message=f"{why}: {problem.message}"[:2000])
    does = {"refused": problem.code}
    return {unit.label: _recorded(tools, step, place, unit.label, does, result) for unit in units}


def record_contact(tools: Tools, step: Step, place: Place, label: str, result: ActionResult) -> Task:
    """The task of a target that was not in contact before the first step."""
    return _recorded(tools, step, place, label, {"refused": "contact"}, result)


def _recorded(
    tools: Tools, step: Step, place: Place, label: str, does: Mapping[str, str], result: ActionResult
) -> Task:
    """A task that touches nothing: begun, told in the log if it failed, and ended."""
    task = tasks.begin(
        run=tools.claimed.run.id,
        token=tools.claimed.token,
        phase=place.phase,
        step=tools.prefix + step.id,
        target=label,
        attempt=1,
        position=place.position,
        batch=place.batch,
        does=digest(dict(does)),
        at=now(),
    )
    io = TaskIO(tools.output, step=task.step, target=label, task=task.id, cancelled=tools.watch.cancelled)
    if "refused" in does:
        io.write("system", (result.message + "\n").encode())
        io.close()
    _finish(tools, task, result, io, step)
    return task


def _seconds_left(step: Step, claimed: Claimed, place: Place) -> float:
    """The step's own limit, within the run's; `always` and rollback get five minutes beyond it."""
    left = (claimed.deadline - now()).total_seconds()
    if place.phase != "steps":
        left = max(left, BEYOND_S)
    return max(0.1, min(float(step.timeout_s or left), left))
