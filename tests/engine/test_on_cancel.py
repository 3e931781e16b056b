"""onCancel, at each step of each state (H18, rule 20): what is executed is what the rules say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.models import Person, Run
from procedures.services import endings
from tests.engine.test_runs import procedure, steps
from tests.engine.test_stopping import GATE, Script, answer, cancel, ended, revoke, row, script, throw_switch
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary
__all__ = ["script"]
TAIL = (
    "  rollback:\n"
    + steps(row("r"))
    + "\n  onCancel:\n"
    + steps(row("c1"), row("c2", ", safeAfterStop: true"))
    + "\n  always:\n"
    + steps(row("w1"), row("w2", ", safeAfterStop: true"))
    + "\n"
)
ALL = ["c1", "c2", "w1", "w2"]


def begun(world: World, script: Script, *, past_gate: bool = False) -> tuple[Person, Run]:
    quinn = procedure(world, "whole", row("a"), GATE.format(""), row("b", ", onFailure: rollback"), tail=TAIL)
    world.may(world.person("petra", "operations"), "approve", procedure="whole")
    run = world.ask(quinn, procedure="whole")
    if past_gate:
        assert ended(run) == "waiting"
        answer(world, run, "approve")
    return quinn, run


CASES = [
    # what happens, in which step, past the gate?, what fails, how the run ends, what was executed
    ("cancel", "start", False, "", "canceled", []),
    ("cancel", "a", False, "", "canceled", ["a", *ALL]),
    ("cancel", "b", True, "", "canceled", ["a", "b", *ALL]),
    ("cancel", "r", True, "b", "failed", ["a", "b", "r", "w1", "w2"]),
    ("cancel", "w1", True, "", "canceled", ["a", "b", "w1", "w2", "c1", "c2"]),
    ("cancel", "w1", True, "b", "failed", ["a", "b", "r", "w1", "w2"]),
    ("revoke", "a", False, "", "canceled", ["a", "c2", "w2"]),
    ("switch", "b", True, "", "canceled", ["a", "b", "c2", "w2"]),
    ("timeout", "a", False, "", "timed_out", ["a", "w1", "w2"]),
    ("lost", "a", False, "", "interrupted", ["a"]),
    ("nothing", "", True, "", "succeeded", ["a", "b", "w1", "w2"]),
    ("nothing", "", True, "b", "failed", ["a", "b", "r", "w1", "w2"]),
]


@pytest.mark.parametrize(
    ("what", "at", "past", "fails", "state", "executed"), CASES, ids=[f"{c[0]}-in-{c[1]}-{c[3]}" for c in CASES]
)
def test_on_cancel_runs_when_somebody_canceled_after_a_step_began(
    world: World, script: Script, what: str, at: str, past: bool, fails: str, state: str, executed: list[str]
) -> None:
    quinn, run = begun(world, script, past_gate=past)
    script.fails = frozenset({fails})
    script.at = at
    script.during = {
        "cancel": cancel(quinn, run),
        "revoke": revoke(world, run),
        "switch": throw_switch(run),
        "timeout": lambda: script.watch._hear("timeout"),
        "lost": lambda: script.watch._hear("lost"),
        "nothing": lambda: None,
    }[what]
    assert (ended(run), script.executed) == (state, executed)


def test_canceled_at_a_gate_it_runs_and_where_nobody_answers_it_does_not(world: World, script: Script) -> None:
    quinn, run = begun(world, script)
    assert ended(run) == "waiting"
    cancel(quinn, run)()
    assert (ended(run), script.executed) == ("canceled", ["a", *ALL])
    script.executed.clear()
    again = world.ask(quinn, procedure="whole")
    assert ended(again) == "waiting"
    endings.expire_overdue(at=now() + timedelta(hours=2))
    assert (ended(again), script.executed) == ("timed_out", ["a", "w1", "w2"])


def test_canceled_inside_what_it_calls_both_frames_run_theirs(world: World, script: Script) -> None:
    inner = "  callableBy: [outer]\n  onCancel:\n" + steps(row("ci")) + "\n"
    procedure(world, "inner", row("x"), row("y"), tail=inner)
    call = "{id: call, action: 'procedure:run', timeout: 1m, input: {procedure: inner}}"
    quinn = procedure(world, "outer", row("a"), call, row("b"), tail="  onCancel:\n" + steps(row("co")) + "\n")
    run = world.ask(quinn, procedure="outer")
    script.at, script.during = "x", cancel(quinn, run)
    assert (ended(run), script.executed) == ("canceled", ["a", "x", "ci", "co"])


def test_it_stands_in_the_plan_and_a_procedure_without_it_says_nothing_of_it(world: World, script: Script) -> None:
    _, run = begun(world, script)
    rows = [(step["phase"], step["id"]) for step in parse(bytes(run.plan))["steps"]]
    assert [id for phase, id in rows if phase == "onCancel"] == ["c1", "c2"]
    quinn = procedure(world, "bare", row("a"))
    assert b"onCancel" not in bytes(world.ask(quinn, procedure="bare").plan)
