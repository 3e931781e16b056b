"""Drives a claimed run: batches, steps, conditions, gates, rollback and always, to exactly one ending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from procedures.domain import expressions, plan
from procedures.domain.calls import CALL
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.duration import seconds
from procedures.domain.errors import OpsError
from procedures.domain.plan import Unit
from procedures.domain.ports import ActionResult, Outcome
from procedures.domain.states import RunState, TaskState
from procedures.engine import contact
from procedures.engine.outputs import outputs_of, run_output
from procedures.engine.step import BEYOND_S, Place, Tools, record_task, refuse_step, run_step
from procedures.engine.winding import wind_up
from procedures.models import Approval, Task
from procedures.services import endings, tasks

DONE = {s.value for s in TaskState} - {"pending", "running"}
GOOD = {"succeeded", "skipped"}
OUTCOMES: dict[RunState, Outcome] = {
    RunState.SUCCEEDED: "succeeded",
    RunState.CANCELED: "canceled",
    RunState.TIMED_OUT: "timed_out",
}


class _Parked(Exception):
    """The run waits at a gate; this runner lets go of it."""


class Drive:
    """One claimed run on its way, or one procedure that it calls. `go` returns when the run has ended or waits."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.claimed = tools.claimed
        self.definition = tools.claimed.definition
        self.targets = {t.name: t for t in tools.claimed.ask.targets}
        self.batches: list[list[str]] = _planned(tools)["batches"]
        self.done = {(t.phase, t.step, t.batch, t.target): t for t in self._finished()}
        self.lost_targets: set[str] = set()
        self.excluded: list[str] = []
        self.failures = self.batch = 0
        self.message = ""

    def _finished(self) -> list[Task]:
        """Tasks of this frame that have ended, under the ids that its own definition gives them."""
        rows = Task.objects.filter(run=self.claimed.run, state__in=DONE, step__startswith=self.tools.prefix)
        mine = []
        for row in rows.exclude(phase=contact.PHASE).order_by("attempt"):
            row.step = row.step.removeprefix(self.tools.prefix)
            if "/" not in row.step:
                mine.append(row)
        return mine

    def go(self) -> None:
        try:
            outcome = self._wound_up() if self.claimed.run.ending else self._all_batches()
        except _Parked:
            return
        finally:
            self.tools.workspaces.close()
        if self.tools.watch.signal == "lost":
            return
        output = run_output(self.definition, self.claimed.ask, self.tools.secrets, self._steps())
        if self.excluded:
            output["excluded"] = self.excluded
            self.message = contact.told(self, self.message)
        self.tools.output.flush()
        endings.finish_run(
            run=self.claimed.run.id,
            token=self.claimed.token,
            outcome=outcome,
            message=self.message,
            output=output,
            signer=self.tools.signer,
            at=now(),
        )

    def _wound_up(self) -> RunState:
        self.message = self.claimed.run.message
        ending = RunState(self.claimed.run.ending)
        wind_up(self, ending)
        return ending

    def _all_batches(self) -> RunState:
        if why := contact.refused(self):
            self.message = why
            return RunState.FAILED
        for index, names in enumerate(self.batches):
            outcome = self._batch(index, names)
            if outcome is not RunState.SUCCEEDED:
                return outcome
        if self.failures:
            return RunState.FAILED if self._too_many() else RunState.SUCCEEDED
        return RunState.SUCCEEDED

    def _batch(self, index: int, names: list[str]) -> RunState:
        wants_rollback, self.batch = False, index
        outcome, inside = RunState.SUCCEEDED, self.tools.watch.sheltered
        for position, step in enumerate(self.definition.steps):
            if self._stopped():
                break
            bad = self._step(step, Place("steps", position, index), names)
            if bad and step.on_failure != "continue":
                self._fail(step, bad)
                if self._too_many():
                    outcome, wants_rollback = RunState.FAILED, step.on_failure == "rollback"
                    break
        outcome = self._stopped_outcome(outcome)
        if wants_rollback and not self._stopped():
            self.branch("rollback", index, names)
        self.branch("always", index, names)
        if not inside:
            self.tools.watch.leave()
        return outcome if outcome is RunState.FAILED else self._stopped_outcome(outcome)

    def _stopped(self) -> bool:
        return bool(self.tools.watch.word)

    def _stopped_outcome(self, outcome: RunState) -> RunState:
        signal = self.tools.watch.word
        if signal in {"cancel", "stop"}:
            self.message = self.message or ("Canceled." if signal == "cancel" else "Stopped: no further step ran.")
            return RunState.CANCELED
        if signal == "timeout":
            self.message = self.message or "The run took longer than its timeout."
            return RunState.TIMED_OUT
        return RunState.INTERRUPTED if signal == "lost" else outcome

    def _fail(self, step: Step, bad: list[Task]) -> None:
        self.failures += len(bad)
        self.lost_targets |= {task.target for task in bad if task.target}
        where = f" on {bad[0].target}" if bad[0].target else ""
        self.message = f"{step.name or step.id} {bad[0].state.replace('_', ' ')}{where}."

    def _too_many(self) -> bool:
        if self.definition.targets is None or not self.lost_targets:
            return self.failures > 0
        strategy = self.definition.targets.strategy
        if strategy.canary and self.batch == 0:
            return True
        return self.failures > plan.share(strategy.max_failures, len(self.targets), least=0)

    def branch(self, phase: str, index: int, names: list[str]) -> None:
        """Rollback or always, on targets where a step of this batch began. After a stop only safe ones run."""
        rows = Task.objects.filter(run=self.claimed.run, phase="steps", step__startswith=self.tools.prefix)
        begun = {t.target for t in rows.exclude(state="skipped")}
        here = [name for name in names if name in begun]
        if not begun:
            return
        for position, step in enumerate(self.definition.branch(phase)):  # type: ignore[arg-type]
            if self._on_targets(step) and not here:
                continue
            if not self.tools.watch.shelter(safe=step.safe_after_stop):
                continue
            bad = self._step(step, Place(phase, position, index), here, also_lost=True)
            if bad and step.on_failure != "continue":
                self.failures += len(bad)
                self.message = self.message or f"{step.name or step.id} failed."

    def _on_targets(self, step: Step) -> bool:
        return plan.on_targets(step, self.tools.actions[step.action])

    def _step(self, step: Step, place: Place, names: list[str], *, also_lost: bool = False) -> list[Task]:
        """Run one step where it has not run yet; the tasks that went wrong."""
        once = not self._on_targets(step)
        if once and place.batch > 0 and place.phase == "steps":
            return []
        out = set(self.excluded) if also_lost else self.lost_targets | set(self.excluded)
        here = [self.targets[n] for n in names if n not in out]
        scope = plan.scope_for(self.definition, self.claimed.ask, steps=self._steps(), secrets=self.tools.secrets)
        wanted = plan.units(step, self.tools.actions[step.action], here, scope)
        old = [self.done[key] for unit in wanted if (key := self._key(step, place, unit)) in self.done]
        left = [unit for unit in wanted if self._key(step, place, unit) not in self.done]
        fresh = self._fresh(step, place, left, scope) if left else {}
        return [task for task in [*old, *fresh.values()] if task.state not in GOOD]

    @staticmethod
    def _key(step: Step, place: Place, unit: Unit) -> tuple[str, str, int, str]:
        return (place.phase, step.id, place.batch, unit.label)

    def _fresh(self, step: Step, place: Place, units: list[Unit], scope: Mapping[str, Any]) -> dict[str, Task]:
        try:
            wanted = step.condition is None or bool(expressions.evaluate(step.condition, scope))
        except OpsError as problem:
            return self._kept(step, place, refuse_step(self.tools, step, place, units, problem))
        if not wanted:
            for unit in units:
                tasks.skip(
                    run=self.claimed.run.id,
                    token=self.claimed.token,
                    phase=place.phase,
                    step=self.tools.prefix + step.id,
                    target=unit.label,
                    position=place.position,
                    batch=place.batch,
                    why="its condition is false",
                    at=now(),
                )
                self.done[self._key(step, place, unit)] = Task(
                    step=step.id, target=unit.label, state=TaskState.SKIPPED.value, output={}
                )
            return {}
        if self.tools.actions[step.action].gate:
            self._gate(step, place, scope)
            return {}
        if step.action == CALL:
            fresh = {"": self._call(step, place)}
        else:
            fresh = run_step(self.tools, step, place, units, scope)
        return self._kept(step, place, fresh)

    def _kept(self, step: Step, place: Place, fresh: dict[str, Task]) -> dict[str, Task]:
        for name, task in fresh.items():
            task.step = step.id
            self.done[place.phase, step.id, place.batch, name] = task
        return fresh

    def _call(self, step: Step, place: Place) -> Task:
        """Drive what a step calls, under its own limits; its ending is this step's. Raises _Parked at a gate."""
        inner = Drive(self.tools.within(f"{self.tools.prefix}{step.id}/"))
        return record_task(self.tools, step, place, inner.as_step())

    def as_step(self) -> ActionResult:
        """Drive this frame within its own timeout, and tell its ending as a step's result. Raises _Parked."""
        began = min((t.started_at for t in self.done.values() if t.started_at), default=now())
        outer = self.claimed.deadline
        if self.tools.watch.sheltered:
            outer = max(outer, now() + timedelta(seconds=BEYOND_S))
        limit = min(outer, began + timedelta(seconds=self.definition.timeout_s))
        self.claimed = replace(self.claimed, deadline=limit)
        self.tools = replace(self.tools, claimed=self.claimed)
        outcome = OUTCOMES.get(self._all_batches(), "failed")
        if outcome == "failed" and now() >= limit:
            outcome = "timed_out"
        said = run_output(self.definition, self.claimed.ask, self.tools.secrets, self._steps())
        return ActionResult(outcome, output=said.get("values", {}), message=self.message[:2000])

    def _gate(self, step: Step, place: Place, scope: Mapping[str, Any]) -> None:
        """Wait without a runner, unless the gate was passed already."""
        run = self.claimed.run
        timed = step.action == "gate:wait"
        gate = self.tools.prefix + step.id
        begun = run.tasks.filter(phase=place.phase, step=gate).exists()
        passed = begun if timed else Approval.objects.filter(run=run, gate=gate, verdict="approve").exists()
        if passed:
            return
        asked = expressions.render(dict(step.input), scope)
        length = _gate_length(asked)
        if timed:
            tasks.skip(
                run=run.id,
                token=self.claimed.token,
                phase=place.phase,
                step=gate,
                target="",
                position=place.position,
                batch=place.batch,
                why=f"waited {length} s",
                at=now(),
            )
        self.tools.output.flush()
        endings.wait_at_gate(
            run=run.id,
            token=self.claimed.token,
            step=gate,
            message=str(asked.get("message", "")),
            expires_s=length,
            wakes=timed,
            at=now(),
        )
        raise _Parked

    def _steps(self) -> dict[str, Any]:
        return outputs_of(self.done.values())


def _planned(tools: Tools) -> dict[str, Any]:
    """The plan's word on this frame: its batches and strategy."""
    approved: dict[str, Any] = parse(bytes(tools.claimed.run.plan))
    if not tools.prefix:
        return approved
    found: dict[str, Any] = next(call for call in approved["calls"] if call["at"] == tools.prefix)
    return found


def _gate_length(asked: Mapping[str, Any]) -> int:
    """How long a gate waits: `expires` or `for`, an hour unless set."""
    return seconds(str(asked.get("expires") or asked.get("for") or "1h"))
