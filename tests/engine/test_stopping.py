"""H18: canceled, revoked, stopped, timed out or lost, at each step of each state: exactly these steps were executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Self

import pytest

from procedures.definitions import registry
from procedures.domain.clock import now
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult
from procedures.engine.watch import Watch
from procedures.models import Person, Run, Stop
from procedures.runner import drive as driving
from procedures.services import approvals, endings, life
from tests.engine.test_runs import procedure, steps
from tests.factories.portal import World
from tests.fixtures.parts import as_owner

pytestmark = pytest.mark.ordinary


@dataclass
class Script:
    """What was executed, and what happens in which step. `watch` is the heartbeat of the run under way."""

    executed: list[str] = field(default_factory=list)
    during: Callable[[], None] | None = None
    at: str = ""
    fails: frozenset[str] = frozenset()
    watch: Any = None

    def beat(self) -> None:
        """One beat of the heart now: what the database says is heard."""
        self.watch._hear(self.watch._beat(now()))


class Told(Action):
    """A step that writes its name down, makes happen what the test wants, and ends when it is told to."""

    id: ClassVar[str] = "test:step"
    summary: ClassVar[str] = "Writes its name down."
    input_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}

    def __init__(self, script: Script) -> None:
        self.script = script

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {"step": call.step}

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        script = self.script
        script.executed.append(call.step)
        if script.during and script.at == call.step:
            as_owner()(script.during)()
            script.beat()
        if io.cancelled.is_set():
            return ActionResult("canceled")
        return ActionResult("failed" if call.step in script.fails else "succeeded")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    made = Script()
    monkeypatch.setitem(registry.actions(), "test:step", Told(made))  # type: ignore[arg-type]
    marks = registry.action_marks() | {"test:step": "opsportal:test"}
    monkeypatch.setattr(registry, "action_marks", lambda: marks)

    class Heart(Watch):
        """The heartbeat without its thread: it beats when the script says so."""

        def __enter__(self) -> Self:
            made.watch = self
            if made.at == "start" and made.during:
                as_owner()(made.during)()
                made.beat()
            return self

        def __exit__(self, *_: object) -> None:
            return

    monkeypatch.setattr(driving, "Watch", Heart)
    return made


def row(id: str, more: str = "") -> str:
    return f"{{id: {id}, action: 'test:step', timeout: 20s{more}}}"


GATE = "{{id: g, action: 'gate:approval', input: {{message: On?, approvers: {{operations: 1}}, expires: 1h}}{0}}}"
TAIL = (
    "  rollback:\n"
    + steps(row("r1"), row("r2", ", safeAfterStop: true"))
    + "\n  always:\n"
    + steps(row("w1"), row("w2", ", safeAfterStop: true"))
    + "\n"
)


def begun(world: World, script: Script, *, gate: str = "", until: str = "") -> tuple[Person, Run]:
    """A run of a, b, a gate, c, with rollback and always; driven to the gate, or past it with `until`."""
    rows = [row("a"), row("b"), GATE.format(gate), row("c", ", onFailure: rollback")]
    quinn = procedure(world, "whole", *rows, tail=TAIL)
    world.may(world.person("petra", "operations"), "approve", procedure="whole")
    run = world.ask(quinn, procedure="whole")
    if until:
        driving.drive(run.id)
        petra = answer(world, run, "approve")
        assert petra
    return quinn, run


def answer(world: World, run: Run, verdict: str) -> Person:
    petra = Person.objects.get(username="petra")
    run.refresh_from_db()
    approvals.decide_run(
        actor=petra, run=run.id, verdict=verdict, plan_digest=run.plan_digest, comment="", signature=None, at=now()
    )
    return petra


def cancel(who: Person, run: Run) -> Callable[[], None]:
    return lambda: void(endings.cancel_run(actor=who, run=run.id, reason="", at=now()))


def void(_: object) -> None:
    return


def revoke(world: World, run: Run, *, all_of_it: bool = True) -> Callable[[], None]:
    more: dict[str, Any] = {"reason": "bad", "cancel_running": all_of_it, "at": now()}
    return lambda: void(life.revoke_version(actor=world.mira, version=run.version_id, **more))


def throw_switch(run: Run) -> Callable[[], None]:
    said = {"reason": "a test", "thrown_by": run.requester, "thrown_at": now()}
    return lambda: void(Stop.objects.create(environment_id=run.environment_id, **said))


def ended(run: Run) -> str:
    driving.drive(run.id)
    run.refresh_from_db()
    return run.state


def test_nothing_happens_before_it_starts(world: World, script: Script) -> None:
    quinn, run = begun(world, script)
    cancel(quinn, run)()
    assert (ended(run), script.executed) == ("canceled", [])


def test_canceled_once_claimed_but_before_the_first_step_nothing_happens_either(world: World, script: Script) -> None:
    quinn, run = begun(world, script)
    script.at, script.during = "start", cancel(quinn, run)
    assert (ended(run), script.executed) == ("canceled", [])


AFTER_GATE = ["a", "b", "c"]
CASES: list[tuple[str, str, str, set[str], str, list[str]]] = [
    # what happens, in which step, driven past the gate?, what fails, how the run ends, what was executed
    ("cancel", "a", "", set(), "canceled", ["a", "w1", "w2"]),
    ("cancel", "b", "", set(), "canceled", ["a", "b", "w1", "w2"]),
    ("cancel", "c", "gate", set(), "canceled", [*AFTER_GATE, "w1", "w2"]),
    ("cancel", "r1", "gate", {"c"}, "failed", [*AFTER_GATE, "r1", "r2", "w1", "w2"]),
    ("cancel", "w1", "gate", {"c"}, "failed", [*AFTER_GATE, "r1", "r2", "w1", "w2"]),
    ("cancel", "w1", "gate", set(), "canceled", [*AFTER_GATE, "w1", "w2"]),
    ("revoke", "a", "", set(), "canceled", ["a", "w2"]),
    ("revoke", "b", "", set(), "canceled", ["a", "b", "w2"]),
    ("revoke", "c", "gate", set(), "canceled", [*AFTER_GATE, "w2"]),
    ("revoke", "r1", "gate", {"c"}, "failed", [*AFTER_GATE, "r1", "r2", "w2"]),
    ("revoke", "w1", "gate", set(), "canceled", [*AFTER_GATE, "w1", "w2"]),
    ("switch", "a", "", set(), "canceled", ["a", "w2"]),
    ("switch", "r1", "gate", {"c"}, "failed", [*AFTER_GATE, "r1", "r2", "w2"]),
    ("timeout", "a", "", set(), "timed_out", ["a", "w1", "w2"]),
    ("timeout", "r1", "gate", {"c"}, "failed", [*AFTER_GATE, "r1", "r2", "w1", "w2"]),
    ("lost", "a", "", set(), "interrupted", ["a"]),
    ("lost", "w1", "gate", set(), "interrupted", [*AFTER_GATE, "w1"]),
    ("nothing", "", "gate", {"c"}, "failed", [*AFTER_GATE, "r1", "r2", "w1", "w2"]),
    ("nothing", "", "gate", set(), "succeeded", [*AFTER_GATE, "w1", "w2"]),
]


@pytest.mark.parametrize(
    ("what", "at", "until", "fails", "state", "executed"), CASES, ids=[f"{c[0]}-in-{c[1]}-{len(c[3])}" for c in CASES]
)
def test_what_was_executed_is_what_the_rules_say(
    world: World, script: Script, what: str, at: str, until: str, fails: set[str], state: str, executed: list[str]
) -> None:
    script.fails = frozenset(fails)
    quinn, run = begun(world, script, until=until)
    doings: dict[str, Callable[[], None]] = {
        "cancel": cancel(quinn, run),
        "revoke": revoke(world, run),
        "switch": throw_switch(run),
        "timeout": lambda: script.watch._hear("timeout"),
        "lost": lambda: script.watch._hear("lost"),
        "nothing": lambda: None,
    }
    script.at, script.during = at, doings[what]
    assert (ended(run), script.executed) == (state, executed)


def test_a_run_canceled_at_a_gate_still_clears_up(world: World, script: Script) -> None:
    quinn, run = begun(world, script)
    assert ended(run) == "waiting"
    cancel(quinn, run)()
    assert (ended(run), script.executed) == ("canceled", ["a", "b", "w1", "w2"])


@pytest.mark.parametrize(
    ("gate", "executed"),
    [("", ["a", "b", "w1", "w2"]), (", onFailure: rollback", ["a", "b", "r1", "r2", "w1", "w2"])],
    ids=["fail", "rollback"],
)
def test_a_gate_turned_down_clears_up_and_undoes_if_asked_to(
    world: World, script: Script, gate: str, executed: list[str]
) -> None:
    _, run = begun(world, script, gate=gate)
    assert ended(run) == "waiting"
    answer(world, run, "reject")
    assert (ended(run), script.executed) == ("failed", executed)


def test_a_gate_that_nobody_answered_clears_up(world: World, script: Script) -> None:
    _, run = begun(world, script)
    assert ended(run) == "waiting"
    assert endings.expire_overdue(at=now() + timedelta(hours=2)) == 1
    assert (ended(run), script.executed) == ("timed_out", ["a", "b", "w1", "w2"])


def test_revoked_at_a_gate_nothing_more_happens_even_if_it_is_answered(world: World, script: Script) -> None:
    _, run = begun(world, script)
    assert ended(run) == "waiting"
    revoke(world, run, all_of_it=False)()
    answer(world, run, "approve")
    assert (ended(run), script.executed) == ("denied", ["a", "b"])


def test_revoked_with_all_that_runs_nothing_is_cleared_up_after_a_gate(world: World, script: Script) -> None:
    _, run = begun(world, script)
    assert ended(run) == "waiting"
    revoke(world, run)()
    assert (ended(run), script.executed) == ("canceled", ["a", "b"])


def test_canceled_after_the_gate_was_answered_and_before_a_runner_came_it_still_clears_up(
    world: World, script: Script
) -> None:
    quinn, run = begun(world, script)
    assert ended(run) == "waiting"
    answer(world, run, "approve")
    cancel(quinn, run)()
    assert (ended(run), script.executed) == ("canceled", ["a", "b", "w1", "w2"])


def test_canceled_at_the_gate_of_what_it_calls_both_clear_up(world: World, script: Script) -> None:
    called = [row("x"), "{id: g, action: 'gate:approval', input: {message: On?}}", row("y")]
    body = "  callableBy: [outer]\n  always:\n" + steps(row("wx")) + "\n"
    procedure(world, "inner", *called, tail=body)
    quinn = procedure(
        world,
        "outer",
        row("a"),
        "{id: call, action: 'procedure:run', timeout: 1m, input: {procedure: inner}}",
        row("b"),
        tail="  always:\n" + steps(row("w")) + "\n",
    )
    run = world.ask(quinn, procedure="outer")
    assert ended(run) == "waiting"
    cancel(quinn, run)()
    assert (ended(run), script.executed) == ("canceled", ["a", "x", "wx", "w"])
    assert run.tasks.get(step="call").state == "canceled"


def test_what_is_called_by_always_runs_after_a_cancel(world: World, script: Script) -> None:
    procedure(world, "undo", row("u1"), row("u2"), tail="  callableBy: [outer]\n")
    tail = "  always:\n    - {id: call, action: 'procedure:run', timeout: 1m, input: {procedure: undo}}\n"
    quinn = procedure(world, "outer", row("a"), row("b"), tail=tail)
    run = world.ask(quinn, procedure="outer")
    script.at, script.during = "a", cancel(quinn, run)
    assert (ended(run), script.executed) == ("canceled", ["a", "u1", "u2"])
    assert run.tasks.get(step="call").state == "succeeded"


def test_where_every_step_was_passed_over_nothing_is_undone(world: World, script: Script) -> None:
    quinn = procedure(
        world,
        "skips",
        row("never", ", if: \"${{ environment == 'production' }}\""),
        GATE.format(", onFailure: rollback"),
        tail=TAIL,
    )
    run = world.ask(quinn, procedure="skips")
    assert ended(run) == "waiting"
    cancel(quinn, run)()
    assert (ended(run), script.executed) == ("canceled", [])
