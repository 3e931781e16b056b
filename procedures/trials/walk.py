"""One way through a procedure: each step is run in the sandbox, answered from the record, or planned only.

Nothing here reaches a host. It follows the engine: conditions, `onFailure`, rollback, `always`; batches are not played.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import uuid4

from procedures.definitions import registry
from procedures.domain import expressions, plan, results
from procedures.domain.definition import Definition, Step
from procedures.domain.errors import OpsError
from procedures.domain.masking import Masker
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult
from procedures.domain.secrets import Secret
from procedures.trials.case import Case

STAND_INS = {"ssh:command": "local:command", "ssh:script": "local:script"}
LOCAL = ("local:command", "local:script")
TEST_S = 50.0
KEPT_BYTES = 4_000
LIMITS = {"cpu_s": 60, "memory_bytes": 512 << 20, "processes": 64, "file_bytes": 64 << 20}


@dataclass(slots=True)
class Played:
    """What happened: the order of steps, and who answered each: the sandbox, the record, or real targets by name."""

    order: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    real: dict[str, list[str]] = field(default_factory=dict)
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcome: str = "succeeded"

    def told(self) -> str:
        parts = [f"planned {', '.join(self.order)}" if self.order else "planned nothing"]
        parts += [f"ran {', '.join(self.ran)} in the sandbox"] if self.ran else []
        parts += [f"recorded answers stood for {', '.join(self.recorded)}"] if self.recorded else []
        real = ", ".join(f"{step} ({', '.join(targets)})" for step, targets in self.real.items())
        parts += [f"real targets answered {real}"] if real else []
        return "; ".join(parts)


class Walk:
    """One way through a procedure."""

    def __init__(self, files: Mapping[str, bytes], definition: Definition, one: Case, ask: plan.Ask) -> None:
        self.files, self.definition, self.one, self.ask = files, definition, one, ask
        self.outputs: dict[str, Any] = {}
        self.found = Played()
        self.until = time.monotonic() + TEST_S
        given = {name: Secret(str(value)) for name, value in (one.said.get("secrets") or {}).items()}
        self.secrets = {name: given.get(name, Secret(b"")) for name in ask.secret_marks}
        self.lost: set[str] = set()

    def go(self) -> Played:
        self._forward()
        self._branch(self.definition.always)
        return self.found

    def _forward(self) -> None:
        """The steps up to a failure, and the way back if the failed one asks for it."""
        for step in self.definition.steps:
            if self._step(step) and step.on_failure != "continue":
                self.found.outcome = "failed"
                if step.on_failure == "rollback":
                    self._branch(self.definition.rollback)
                break

    def _branch(self, steps: tuple[Step, ...]) -> None:
        """Rollback or always: on every target, those that a step failed on too."""
        for step in steps:
            if self._step(step, also_lost=True):
                self.found.outcome = "failed"

    def _step(self, step: Step, *, also_lost: bool = False) -> bool:
        """Whether the run must not go on as if this step had succeeded."""
        scope = plan.scope_for(self.definition, self.ask, steps=self.outputs, secrets=self.secrets)
        if step.condition is not None:
            try:
                holds = expressions.evaluate(step.condition, scope)
            except OpsError as problem:
                mend = "Run the step whose output it needs, or record an answer."
                raise self.one.wrong(f"{step.id}: {problem.message} {mend}", "expect") from problem
            if not holds:
                self.outputs.setdefault(step.id, {"output": {}})
                return False
        self.found.order.append(step.id)
        action = registry.actions()[step.action]
        targets = [t for t in self.ask.targets if also_lost or t.name not in self.lost]
        bad = 0
        for unit in plan.units(step, action, targets, scope):
            result = self._unit(step, action, unit, scope)
            if result is not None and result.outcome != "succeeded":
                bad += 1
                self.lost |= {unit.label} if unit.target else set()
        return bad > self._allowed(step, action)

    def _allowed(self, step: Step, action: Action) -> int:
        if self.definition.targets is None or not plan.on_targets(step, action):
            return 0
        return plan.share(self.definition.targets.strategy.max_failures, len(self.ask.targets), least=0)

    def _unit(self, step: Step, action: Action, unit: plan.Unit, scope: Mapping[str, Any]) -> ActionResult | None:
        """How one target or item ended; None where it was planned only."""
        left = min(float(step.timeout_s or TEST_S), max(0.1, self.until - time.monotonic()))
        call = plan.call_for(
            self.files,
            self.ask,
            step,
            unit.target,
            scope=scope,
            each=unit.each,
            nonce=uuid4().hex,
            seconds_left=left,
        )
        self._planned(step, action, call)
        wanted = (self.one.expect.get("steps") or {}).get(step.id)
        real = self._real(step, action, call)
        answer = None if real else self._answer(step, unit)
        if real:
            result, text = real
        elif answer is not None:
            self._mark(self.found.recorded, step)
            result, text = _from_record(answer, call), str(answer.get("stdout", ""))
        elif step.id in (self.one.expect.get("steps") or {}):
            self._mark(self.found.ran, step)
            result, text = self._run(step, call)
        else:
            return None
        self._keep(step, unit, result)
        who = f"{step.id} on {unit.label} (real)" if real else step.id
        self._as_wanted(who, step, wanted or {}, result, text)
        return result

    def _planned(self, step: Step, action: Action, call: ActionCall) -> None:
        row = self.found.plans.setdefault(
            step.id, {"action": step.action, "credentials": list(step.credentials), "targets": []}
        )
        row |= plan.plain(action.plan(call))
        if call.target is not None:
            row["targets"] = [*row["targets"], call.target.name]

    def _real(self, step: Step, action: Action, call: ActionCall) -> tuple[ActionResult, str] | None:
        """What a real target answered; None where the step is no matter for one. Here there is none."""
        return None

    def _answer(self, step: Step, unit: plan.Unit) -> Mapping[str, Any] | None:
        answers = (self.one.said.get("recorded") or {}).get(step.id)
        if answers is None:
            return None
        if not unit.label or not any(isinstance(value, dict) for key, value in answers.items() if key != "output"):
            return answers  # type: ignore[no-any-return]
        if unit.label not in answers:
            raise self.one.wrong(f"records no answer of {unit.label} to {step.id}.", "recorded", step.id)
        return answers[unit.label]  # type: ignore[no-any-return]

    @staticmethod
    def _mark(row: list[str], step: Step) -> None:
        if step.id not in row:
            row.append(step.id)

    def _run(self, step: Step, call: ActionCall) -> tuple[ActionResult, str]:
        name = STAND_INS.get(step.action, step.action)
        if name not in LOCAL:
            raise self.one.wrong(
                f"{step.id} is {step.action}, which no test can run: record an answer or expect it in `order`.",
                "expect",
                "steps",
                step.id,
            )
        io = self._quiet()
        result = registry.actions()[name].run(replace(call, limits=LIMITS), io)
        return result, io.told()

    def _quiet(self) -> Quiet:
        io = Quiet(Masker())
        for name, secret in self.secrets.items():
            io.masker.register(secret, name)
        return io

    def _keep(self, step: Step, unit: plan.Unit, result: ActionResult) -> None:
        """What later steps and conditions see, as the engine shows it."""
        output = self.outputs.setdefault(step.id, {"output": {}})["output"]
        if unit.label:
            counts = output.setdefault("targets", {"succeeded": 0, "failed": 0})
            counts["succeeded" if result.outcome == "succeeded" else "failed"] += 1
        if result.outcome == "succeeded":
            output.update({k: v for k, v in result.output.items() if k != "targets"})

    def _as_wanted(self, who: str, step: Step, wanted: Mapping[str, Any], result: ActionResult, text: str) -> None:
        """Raise Wrong for an exit status or output that is another than the test says."""
        hidden = {need.output for need in results.of_step(self.definition, step.id)}
        if "exit" in wanted and result.exit_status != wanted["exit"]:
            how = result.exit_status if result.exit_status is not None else result.outcome.replace("_", " ")
            said = text.strip() or result.message or "it printed nothing"
            said = "what it printed is not shown, since it makes a secret" if hidden else said
            raise self.one.wrong(
                f"{who} ended {how}, expected was {wanted['exit']}: {said}", "expect", "steps", step.id, "exit"
            )
        for key, value in (wanted.get("output") or {}).items():
            if result.output.get(key) != value:
                given = "something else" if key in hidden else f"{key} = {result.output.get(key)!r}"
                raise self.one.wrong(
                    f"{who} gave {given}, expected was {value!r}.",
                    "expect",
                    "steps",
                    step.id,
                    "output",
                )


def _from_record(answer: Mapping[str, Any], call: ActionCall) -> ActionResult:
    status, expected = int(answer.get("exit", 0)), call.input.get("expect")
    good = status in (expected if isinstance(expected, list) else [0])  # elsewhere `expect` is about rows or answers
    return ActionResult("succeeded" if good else "failed", status, dict(answer.get("output") or {}))


class Quiet(ActionIO):
    """Keeps the last output, masked, instead of showing it."""

    def __init__(self, masker: Masker) -> None:
        self.cancelled = threading.Event()
        self.masker = masker
        self.kept = b""

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        self.kept = (self.kept + self.masker.feed(stream, data))[-KEPT_BYTES:]

    def register_secret(self, secret: Secret) -> None:
        self.masker.register(secret)

    def told(self) -> str:
        streams: tuple[Literal["stdout", "stderr", "system"], ...] = ("stdout", "stderr", "system")
        for stream in streams:
            self.kept = (self.kept + self.masker.flush(stream))[-KEPT_BYTES:]
        return self.kept.decode(errors="replace").strip()[-500:]
