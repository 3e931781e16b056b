"""A step over many targets: its driver works through the batches, and other runners help until none is left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from procedures.domain import limits, plan
from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.plan import Unit
from procedures.domain.ports import Action
from procedures.engine.step import run_step
from procedures.engine.tools import Place, Tools
from procedures.models import StepBatch, Task
from procedures.queries.outputs import outputs_of
from procedures.services import batches
from procedures.services.steady import steadily

PAUSE_S = 0.2


def is_worth_sharing(tools: Tools, action: Action, units: Sequence[Unit]) -> bool:
    """More targets than one runner works on at a time; a draft, and what shares files on the runner, stay there."""
    many = len(units) > limits.BATCH and units[0].target is not None
    return many and not tools.claimed.run.draft and not action.shares_files


def run_shared(
    tools: Tools, step: Step, place: Place, units: Sequence[Unit], scope: Mapping[str, Any]
) -> dict[str, Task]:
    """Run a step on all its targets, with whoever helps; the last attempt's task per label. Raises ClaimLost."""
    held: dict[str, Any] = {"run": tools.claimed.run.id, "token": tools.claimed.token}
    name, labels = tools.prefix + step.id, [unit.label for unit in units]
    where: dict[str, Any] = {"phase": place.phase, "step": name, "batch": place.batch}
    ids = steadily(lambda: batches.hand_out(**held, **where, position=place.position, labels=labels, at=now()))
    while tools.watch.signal != "lost":
        row = steadily(lambda: batches.next_own(**held, runner=tools.signer.id, ids=ids, at=now()))
        if row is not None:
            mine = [unit for unit in units if unit.label in set(row.labels)]
            run_step(tools, step, place, mine, scope)
            end(row)
        elif steadily(lambda: batches.waiting_for(**held, ids=ids)):
            time.sleep(PAUSE_S)
        else:
            break
    ended = Task.objects.filter(run=tools.claimed.run, target__in=labels, **where).order_by("attempt")
    return {task.target: task for task in ended}


def help_out(tools: Tools, row: StepBatch) -> None:
    """Carry out one batch of somebody else's run; `tools` are those of the frame that the step stands in."""
    inner = tools.claimed
    _, step = inner.definition.step(row.step.removeprefix(tools.prefix))
    finished = Task.objects.filter(run=inner.run, state__in=batches.ENDED).exclude(step=row.step).order_by("attempt")
    steps = outputs_of(finished, tools.prefix)
    scope = plan.scope_for(inner.definition, inner.ask, steps=steps, secrets=tools.secrets)
    every = plan.units(step, tools.actions[step.action], inner.ask.targets, scope)
    mine = [unit for unit in every if unit.label in set(row.labels)]
    run_step(tools, step, Place(row.phase, row.position, row.batch), mine, scope)
    tools.output.flush()
    end(row)


def end(row: StepBatch) -> None:
    """Everything of this batch is done; nothing happens if it was taken back meanwhile."""
    steadily(lambda: batches.done(row))
