"""Pause and resume: what is under way ends, nothing more begins, and time stands still until somebody lets it go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.evidence.models import Event
from procedures.models import Claim, Environment, Person, Run
from procedures.services import endings, pauses
from procedures.services.pauses import NotPausable, NotPaused
from tests.engine.test_runs import procedure, steps
from tests.engine.test_stopping import GATE, Script, answer, cancel, ended, row, script, void
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary
__all__ = ["script"]
ALWAYS = "  always:\n" + steps(row("w")) + "\n"


def pause(who: Person, run: Run, reason: str = "looks odd") -> Callable[[], None]:
    return lambda: void(pauses.pause_run(actor=who, run=run.pk, reason=reason, at=now()))


def resume(who: Person, run: Run) -> None:
    pauses.resume_run(actor=who, run=run.pk, at=now())


def begun(world: World, *rows: str, name: str = "long", tail: str = ALWAYS) -> tuple[Person, Run]:
    quinn = procedure(world, name, *(rows or (row("a"), row("b"), row("c"))), tail=tail)
    return quinn, world.ask(quinn, procedure=name)


def kinds(run: Run) -> list[str]:
    rows = Event.objects.filter(run=run.pk).order_by("n").values_list("kind", flat=True)
    return [kind for kind in rows if "pause" in kind or kind == "run.resumed"]


def test_what_is_under_way_ends_and_nothing_more_begins_until_somebody_lets_it_go_on(
    world: World, script: Script
) -> None:
    quinn, run = begun(world)
    script.at, script.during = "b", pause(quinn, run)
    assert (ended(run), script.executed) == ("waiting", ["a", "b"])
    assert (run.message, Claim.objects.count()) == ("Paused by Runner-Long: looks odd", 0)
    assert run.tasks.get(step="b").state == "succeeded"
    assert ended(run) == "waiting"
    script.during = None
    resume(quinn, run)
    assert (ended(run), script.executed) == ("succeeded", ["a", "b", "c", "w"])
    assert (run.message, run.paused_at) == ("", None)
    assert kinds(run) == ["run.pause_asked", "run.paused", "run.resumed"]


def test_paused_in_the_queue_it_stands_still_before_its_first_step(world: World, script: Script) -> None:
    quinn, run = begun(world)
    pause(quinn, run)()
    assert (ended(run), script.executed) == ("waiting", [])
    cancel(quinn, run)()
    assert (ended(run), script.executed) == ("canceled", [])


def test_a_paused_run_that_is_canceled_clears_up_and_does_nothing_else(world: World, script: Script) -> None:
    quinn, run = begun(world)
    script.at, script.during = "a", pause(quinn, run)
    assert ended(run) == "waiting"
    cancel(quinn, run)()
    assert (ended(run), script.executed) == ("canceled", ["a", "w"])


def test_a_pause_that_is_taken_back_in_time_never_was(world: World, script: Script) -> None:
    quinn, run = begun(world)
    pause(quinn, run)()
    resume(quinn, run)
    assert (ended(run), script.executed) == ("succeeded", ["a", "b", "c", "w"])
    assert kinds(run) == ["run.pause_asked", "run.resumed"]


def test_nobody_resumes_it_within_the_limit_of_the_environment(world: World, script: Script) -> None:
    Environment.objects.filter(pk="development").update(pause_limit_s=600)
    quinn, run = begun(world)
    script.at, script.during = "a", pause(quinn, run)
    assert ended(run) == "waiting"
    assert endings.expire_overdue(at=now() + timedelta(minutes=9)) == 0
    assert endings.expire_overdue(at=now() + timedelta(minutes=11)) == 1
    assert (ended(run), script.executed) == ("timed_out", ["a", "w"])
    assert run.message == "Paused by Runner-Long: looks odd Nobody resumed it in time."


def test_the_time_of_a_run_stands_still_while_it_is_paused_or_waits_at_a_gate(world: World, script: Script) -> None:
    quinn, run = begun(world)
    pause(quinn, run)()
    assert ended(run) == "waiting"
    was = run.deadline_at
    Run.objects.filter(pk=run.pk).update(state_since=run.state_since - timedelta(hours=3))
    resume(quinn, run)
    run.refresh_from_db()
    assert was is not None
    assert run.deadline_at is not None
    assert timedelta(hours=3) <= run.deadline_at - was < timedelta(hours=3, minutes=1)
    assert ended(run) == "succeeded"


def test_what_a_run_calls_has_its_own_time_back_too(world: World, script: Script) -> None:
    gate = "{id: g, action: 'gate:approval', input: {message: On?, expires: 6h}}"
    procedure(world, "inner", row("x"), gate, row("y"), tail="  callableBy: [outer]\n", timeout="30s")
    call = "{id: call, action: 'procedure:run', timeout: 1m, input: {procedure: inner}}"
    world.may(world.person("petra", "operations"), "approve")
    _, run = begun(world, call, name="outer", tail="")
    assert ended(run) == "waiting"
    hour = timedelta(hours=1)
    task = run.tasks.get(step="call/x")
    assert task.started_at
    assert run.deadline_at
    run.tasks.filter(pk=task.pk).update(started_at=task.started_at - hour)
    Run.objects.filter(pk=run.pk).update(state_since=run.state_since - hour, deadline_at=run.deadline_at - hour)
    answer(world, run, "approve")
    assert (ended(run), script.executed) == ("succeeded", ["x", "y"])


def test_a_run_that_waits_at_a_gate_is_paused_once_the_gate_is_passed(world: World, script: Script) -> None:
    world.may(world.person("petra", "operations"), "approve")
    quinn, run = begun(world, row("a"), GATE.format(""), row("b"), tail="")
    assert ended(run) == "waiting"
    pause(quinn, run)()
    answer(world, run, "approve")
    assert (ended(run), run.waiting_gate, script.executed) == ("waiting", "", ["a"])
    resume(quinn, run)
    assert (ended(run), script.executed) == ("succeeded", ["a", "b"])


def test_who_may_stop_a_run_may_hold_it_back_and_nobody_else(world: World, script: Script) -> None:
    _, run = begun(world)
    vera, olaf = world.person("vera"), world.person("olaf")
    world.may(vera, "view", procedure="long")
    world.may(olaf, "cancel", procedure="long")
    with pytest.raises(NotAllowed):
        pause(vera, run)()
    pause(olaf, run, "")()
    assert ended(run) == "waiting"
    with pytest.raises(NotAllowed):
        resume(vera, run)
    resume(olaf, run)
    assert ended(run) == "succeeded"


def test_twice_too_late_or_with_bad_words_is_refused(world: World, script: Script) -> None:
    quinn, run = begun(world)
    with pytest.raises(NotPaused):
        resume(quinn, run)
    with pytest.raises(InvalidInput):
        pause(quinn, run, "a\x00b")()
    with pytest.raises(InvalidInput):
        pause(quinn, run, "x" * 2001)()
    pause(quinn, run)()
    with pytest.raises(NotPausable, match="already"):
        pause(quinn, run)()
    resume(quinn, run)
    assert ended(run) == "succeeded"
    with pytest.raises(NotPausable, match="succeeded already"):
        pause(quinn, run)()
    with pytest.raises(NotPaused):
        resume(quinn, run)


def test_a_pause_does_not_hold_back_what_clears_up(world: World, script: Script) -> None:
    quinn, run = begun(world)
    script.at, script.during = "w", pause(quinn, run)
    assert (ended(run), script.executed) == ("succeeded", ["a", "b", "c", "w"])


def test_a_gate_waits_until_a_moment_and_goes_on_by_itself(world: World, script: Script) -> None:
    soon = (now() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    wait = f"{{id: night, action: 'gate:wait', input: {{until: '{soon}'}}}}"
    _, run = begun(world, row("a"), wait, row("b"), tail="")
    assert (ended(run), run.waiting_gate) == ("waiting", "")
    assert endings.expire_overdue(at=now() + timedelta(minutes=119)) == 0
    assert endings.expire_overdue(at=now() + timedelta(minutes=121)) == 1
    assert (ended(run), script.executed) == ("succeeded", ["a", "b"])
    assert run.tasks.get(step="night").message.endswith(f"until {soon}")


def test_a_moment_that_has_passed_holds_nobody_and_one_too_far_fails_the_run(world: World, script: Script) -> None:
    past, far = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    wait = "{{id: w, action: 'gate:wait', input: {{until: '{0}'}}}}"
    _, run = begun(world, row("a"), wait.format(past), name="past", tail="")
    assert (ended(run), run.tasks.get(step="w").message) == ("succeeded", "its time had come already")
    _, run = begun(world, wait.format(far), row("b"), name="far", tail="")
    assert (ended(run), script.executed) == ("failed", ["a"])
    assert "the longest wait is seven days" in run.tasks.get(step="w").message
