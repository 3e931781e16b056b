"""A run that owes nothing ends where it stands, by the portal's own word, and holds nobody else up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Person, Run
from procedures.runner.drive import drive
from procedures.services import approvals, gate_answers, pauses, sweeping
from tests.engine.test_gate_input import GATE, SAYS, asks
from tests.engine.test_runs import procedure
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary
FIRST = "{id: a, action: 'local:command', timeout: 9s, input: {argv: ['true']}}"


def standing(world: World, gate: str, name: str = "owes-nothing") -> tuple[Person, Run]:
    """A run that did its first step and stands at a gate; nothing must be cleared up."""
    if not Person.objects.filter(username="petra").exists():
        world.may(world.person("petra", "operations"), "approve")
    quinn = procedure(world, name, FIRST, gate, SAYS if gate != GATE else FIRST.replace("id: a", "id: b"))
    run = world.ask(quinn, procedure=name)
    drive(run.pk)
    run.refresh_from_db()
    assert run.state == "waiting"
    return quinn, run


def turned_down(world: World) -> Run:
    _, run = standing(world, GATE)
    petra = Person.objects.get(username="petra")
    what = {"verdict": "reject", "plan_digest": run.digest_now, "comment": "no", "signature": None}
    approvals.decide_run(actor=petra, run=run.pk, at=now(), **what)  # type: ignore[arg-type]
    return run


def not_answered(world: World) -> Run:
    quinn, run = standing(world, asks())
    gate_answers.refuse_answer(actor=quinn, run=run.pk, reason="no", at=now())
    return run


def forgotten(gate: str) -> Callable[[World], Run]:
    def play(world: World) -> Run:
        _, run = standing(world, gate)
        sweeping.sweep(at=now() + timedelta(hours=2))
        return run

    return play


def left_paused(world: World) -> Run:
    quinn, run = standing(world, GATE)
    pauses.pause_run(actor=quinn, run=run.pk, reason="", at=now())
    petra = Person.objects.get(username="petra")
    what = {"verdict": "approve", "plan_digest": run.digest_now, "comment": "", "signature": None}
    approvals.decide_run(actor=petra, run=run.pk, at=now(), **what)  # type: ignore[arg-type]
    drive(run.pk)
    run.refresh_from_db()
    assert run.paused_at is not None
    sweeping.sweep(at=now() + timedelta(days=2))
    return run


WAYS: dict[str, tuple[Callable[[World], Run], str]] = {
    "an approval refused": (turned_down, "failed"),
    "an answer refused": (not_answered, "failed"),
    "an approval forgotten": (forgotten(GATE), "timed_out"),
    "an answer forgotten": (forgotten(asks()), "timed_out"),
    "a pause forgotten": (left_paused, "timed_out"),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_sealed_with_what_it_came_to_and_without_a_runner_s_word(world: World, way: str) -> None:
    play, state = WAYS[way]
    run = play(world)
    run.refresh_from_db()
    assert (run.state, run.ended_at is not None) == (state, True)
    seal = Event.objects.get(run=run.pk, kind="run.finished")
    body = json.loads(bytes(seal.body))
    assert (body["plan_digest"], "dsse" in body) == (run.plan_digest, False)
    assert json.loads(bytes(seal.header))["o"] == state


def test_one_that_nobody_answered_keeps_no_other_from_ending(world: World) -> None:
    _, first = standing(world, asks())
    _, second = standing(world, GATE, "another")
    sweeping.sweep(at=now() + timedelta(hours=2))
    for run in (first, second):
        run.refresh_from_db()
        assert run.state == "timed_out"
