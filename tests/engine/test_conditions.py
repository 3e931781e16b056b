"""Whether a step runs: its condition, what a skipped step leaves, and what nobody can evaluate."""

from __future__ import annotations

from tests.engine.test_runs import procedure, run_it, shell, text
from tests.factories.portal import World


def test_conditions_retries_and_outputs(world: World) -> None:
    quinn = procedure(
        world,
        "flows",
        shell("one", "echo k=v >> $OPSPORTAL_OUTPUT"),
        shell("two", "exit 3", ", retry: {attempts: 3, delay: 1s, backoff: 2}, onFailure: continue"),
        "{id: three, if: \"${{ environment == 'production' }}\", action: 'local:command', timeout: 5s,"
        " input: {argv: ['true']}}",
        "{id: four, action: 'local:command', timeout: 5s, input: {argv: [echo, --, '${{ steps.one.output.k }}']}}",
    )
    run = run_it(world, quinn, "flows")
    assert run.state == "succeeded"
    one, two, three = run.tasks.filter(step="two").order_by("attempt")
    assert [one.state, two.state, three.state] == ["failed"] * 3
    assert (two.started_at - one.ended_at).total_seconds() > 0.8
    assert (three.started_at - two.ended_at).total_seconds() > 1.7, "each wait is twice the one before"
    assert run.tasks.get(step="three").state == "skipped"
    assert "-- v" in text(run)


def test_a_condition_that_cannot_be_evaluated_fails_its_step_and_never_runs_it(world: World) -> None:
    odd = ", if: '${{ steps.one.output.name > 3 }}'"
    person = procedure(
        world,
        "odd",
        shell("one", "echo name=abc >> $OPSPORTAL_OUTPUT"),
        shell("two", "echo it ran anyway", odd),
        shell("three", "echo three"),
    )
    run = run_it(world, person, "odd")
    states = dict(run.tasks.values_list("step", "state"))
    assert (run.state, states) == ("failed", {"one": "succeeded", "two": "failed"})
    assert "it ran anyway" not in text(run)
    assert "condition cannot be evaluated" in run.tasks.get(step="two").message


def test_a_condition_that_reads_a_skipped_step_finds_nothing_there(world: World) -> None:
    quinn = procedure(
        world,
        "skips",
        shell("one", "true", ", if: \"${{ environment == 'production' }}\""),
        shell("two", "echo wrong", ", if: \"${{ steps.one.output.k == 'v' }}\""),
        shell("three", "echo right", ", if: '${{ not steps.one.output.k }}'"),
    )
    run = run_it(world, quinn, "skips")
    assert (run.state, text(run)) == ("succeeded", "right\n")
