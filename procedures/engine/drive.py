"""Drives a claimed run: batches, steps, conditions, gates, rollback and always, to exactly one ending."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from procedures.domain import plan, waits
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.ports import ActionResult, Outcome
from procedures.domain.states import RunState, TaskState
from procedures.engine import contact, draining, moved, pausing
from procedures.engine.alarms import Alarms
from procedures.engine.gates import Parked
from procedures.engine.handing_over import lost_words
from procedures.engine.outputs import run_output
from procedures.engine.perform import on_targets, perform
from procedures.engine.step import BEYOND_S
from procedures.engine.tools import Place, Tools
from procedures.engine.winding import wind_up
from procedures.models import Task
from procedures.queries.outputs import outputs_of, state_of
from procedures.services import endings

DONE = {s.value for s in TaskState} - {"pending", "running"}
OUTCOMES: dict[RunState, Outcome] = {
    RunState.SUCCEEDED: "succeeded",
    RunState.CANCELED: "canceled",
    RunState.TIMED_OUT: "timed_out",
}


class Drive:
    """One claimed run on its way, or one procedure that it calls. `go` returns when the run has ended or waits."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.claimed = self.root = tools.claimed
        self.definition = tools.claimed.definition
        self.targets = {t.name: t for t in tools.claimed.ask.targets}
        self.batches: list[list[str]] = _planned(tools)["batches"]
        self.done = {(t.phase, t.step, t.batch, t.target): t for t in self._finished()}
        self.lost_targets: set[str] = set()
        self.excluded: list[str] = []
        self.moved: dict[str, str] = {}
        self.alarms = Alarms(self, _planned(tools)["strategy"].get("alarms", ()))
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
        except Parked:
            return
        finally:
            self.tools.workspaces.close()
        if outcome is RunState.INTERRUPTED:  # whoever holds no claim any more is refused when it says so
            self.message = self.tools.watch.why
        output = run_output(self.definition, self.claimed.ask, self.tools.secrets, self.outputs())
        if self.excluded:
            output["excluded"] = self.excluded
            self.message = moved.told(self, contact.told(self, self.message))
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
        begun = {batch for phase, _, batch, _ in self.done if phase == "steps"}
        for index, names in enumerate(self.batches):
            if self.targets and not moved.leave_out(self, index, names):
                continue
            if (not index or index not in begun) and (why := self.alarms.settled()):
                return self._rung(why, index)
            with self.alarms.watched():
                outcome = self._batch(index, names)
            if outcome is not RunState.SUCCEEDED:
                return outcome
        if self.targets and len(self.moved) == len(self.targets):
            self.message = "None of the targets is still the one that was approved. No step ran."
            return RunState.FAILED
        if self.failures:
            return RunState.FAILED if self._too_many() else RunState.SUCCEEDED
        return RunState.SUCCEEDED

    def _rung(self, why: str, index: int) -> RunState:
        """An alarm counts before batch `index`: it does not begin; what was done before is undone if that is said."""
        self.message = f"{why} {'No further batch began.' if index else 'No step ran.'}"
        if undo := self._undo_for_alarm(index):
            inside = self.tools.watch.sheltered
            self.branch("rollback", index - 1, undo)
            if not inside:
                self.tools.watch.leave()
        return RunState.FAILED

    def _undo_for_alarm(self, until: int) -> list[str]:
        """The targets of every batch before `until`, where an alarm undoes what was done."""
        targets = self.definition.targets
        if targets is None or targets.strategy.on_alarm != "rollback":
            return []
        return [name for batch in self.batches[:until] for name in batch]

    def _batch(self, index: int, names: list[str]) -> RunState:
        inside = self.tools.watch.sheltered
        outcome, undo = self._steps_of(index, names)
        if undo is not None and not self._stopped():
            self.branch("rollback", index, undo)
        elif outcome is RunState.CANCELED:
            self.branch("onCancel", index, names)
        self.branch("always", index, names)
        if not inside:
            self.tools.watch.leave()
        if outcome not in {RunState.FAILED, RunState.CANCELED}:
            outcome = self._stopped_outcome(outcome)
            if outcome is RunState.CANCELED:  # heard of only while `always` ran
                self.branch("onCancel", index, names)
        return outcome

    def _let_go(self) -> None:
        """Between two steps: a runner that is to stop hands the run to another. Raises Parked."""
        if draining.wanted.is_set() and not self.tools.watch.sheltered:
            self.tools.output.flush()
            endings.hand_over(run=self.claimed.run.id, token=self.claimed.token, at=now())
            raise Parked

    def _steps_of(self, index: int, names: list[str]) -> tuple[RunState, list[str] | None]:
        """How the steps of a batch ended, and the targets on which it is to be undone, None for no rollback."""
        self.batch = index
        outcome, undo = RunState.SUCCEEDED, None
        for position, step in enumerate(self.definition.steps):
            if self._stopped():
                break
            self._let_go()
            pausing.stop_here(self)
            bad = perform(self, step, Place("steps", position, index), names)
            if bad and step.on_failure != "continue":
                self._fail(step, bad)
                if self._too_many():
                    outcome, undo = RunState.FAILED, names if step.on_failure == "rollback" else None
                    break
        outcome = self._stopped_outcome(outcome)
        if outcome is RunState.SUCCEEDED and (why := self.alarms.heard()):
            self.message, outcome = f"{why} Nothing more began.", RunState.FAILED
            undo = self._undo_for_alarm(index + 1) or None
        return outcome, undo

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
        self.message = f"{step.name or step.id} {bad[0].state.replace('_', ' ')}{where}.{lost_words(bad)}"

    def _too_many(self) -> bool:
        if self.definition.targets is None or not self.lost_targets:
            return self.failures > 0
        strategy = self.definition.targets.strategy
        if strategy.canary and self.batch == 0:
            return True
        return self.failures > plan.share(strategy.max_failures, len(self.targets), least=0)

    def branch(self, phase: str, index: int, names: list[str]) -> None:
        """Rollback, onCancel or always, where a step of this batch began. After a stop only safe ones run."""
        rows = Task.objects.filter(run=self.claimed.run, phase="steps", step__startswith=self.tools.prefix)
        begun = {t.target for t in rows if state_of(t) != "skipped"}
        here = [name for name in names if name in begun]
        if not begun:
            return
        for position, step in enumerate(self.definition.branch(phase)):  # type: ignore[arg-type]
            if on_targets(self, step) and not here:
                continue
            if not self.tools.watch.shelter(safe=step.safe_after_stop):
                continue
            bad = perform(self, step, Place(phase, position, index), here, also_lost=True)
            if bad and step.on_failure != "continue":
                self.failures += len(bad)
                self.message = self.message or f"{step.name or step.id} failed."

    def as_step(self) -> ActionResult:
        """Drive this frame within its own timeout, and tell its ending as a step's result. Raises Parked."""
        began = min((t.started_at for t in self.done.values() if t.started_at), default=now())
        outer = self.claimed.deadline
        if self.tools.watch.sheltered:
            outer = max(outer, now() + timedelta(seconds=BEYOND_S))
        limit = min(outer, waits.later(began, self.definition.timeout_s, self.claimed.run.waits))
        self.claimed = replace(self.claimed, deadline=limit)
        self.tools = replace(self.tools, claimed=self.claimed)
        outcome = OUTCOMES.get(self._all_batches(), "failed")
        if outcome == "failed" and now() >= limit:
            outcome = "timed_out"
        said = run_output(self.definition, self.claimed.ask, self.tools.secrets, self.outputs())
        return ActionResult(outcome, output=said.get("values", {}), message=self.message[:2000])

    def outputs(self) -> dict[str, Any]:
        """What finished steps of this frame said, as expressions read it."""
        return outputs_of(self.done.values())


def _planned(tools: Tools) -> dict[str, Any]:
    """The plan's word on this frame: its batches and strategy."""
    approved: dict[str, Any] = parse(bytes(tools.claimed.run.plan))
    if not tools.prefix:
        return approved
    found: dict[str, Any] = next(call for call in approved["calls"] if call["at"] == tools.prefix)
    return found
