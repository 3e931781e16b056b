"""What a call may not be, told when it is submitted or requested (H17)."""

from __future__ import annotations

import pytest

from procedures.domain.calls import CallRefused
from procedures.domain.errors import InvalidInput
from procedures.models import Run
from tests.engine.test_calls import CALL, GREET, accept, parent, submit
from tests.engine.test_runs import run_it, steps
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary

BAD = "{{id: x, action: 'procedure:run', timeout: 5s, input: {{procedure: {}}}}}"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (BAD.format("nowhere"), "no accepted version"),
        (BAD.format("parent"), "does not call itself"),
        (BAD.format("greet, digest: 'sha256:" + "0" * 64 + "'"), "the accepted version of greet is"),
        (BAD.format("'${{ parameters.p }}'"), "chooses what it calls"),
        (BAD.format("greet").replace("input", "each: '${{ targets }}', input"), "call-once"),
        (BAD.format("greet, parameters: {who: '${{ run.reason }}'}"), "known when the plan is made"),
    ],
)
def test_a_call_that_nobody_could_review_is_refused_at_submission(world: World, row: str, told: str) -> None:
    accept(world, "greet", GREET)
    with pytest.raises(InvalidInput) as refused:
        submit(world, "parent", f"  steps:\n{steps(row)}\n")
    assert told in str(refused.value.problems)


def test_only_callers_that_the_callee_lists_may_call_it(world: World) -> None:
    accept(world, "greet", GREET)
    with pytest.raises(InvalidInput, match="callableBy"):
        submit(world, "stranger", f"  steps:\n{steps(CALL)}\n")


def test_a_callee_without_a_list_is_called_by_nobody(world: World) -> None:
    accept(world, "greet", GREET.replace("  callableBy: [parent, nosy, middle]\n", ""))
    with pytest.raises(InvalidInput, match="callableBy"):
        submit(world, "parent", f"  steps:\n{steps(CALL)}\n")


def test_a_caller_is_at_least_as_risky_as_what_it_calls_and_says_why(world: World) -> None:
    accept(world, "greet", GREET, risk="moderate")
    version = submit(world, "parent", f"  steps:\n{steps(CALL)}\n")
    assert version.risk == "moderate"
    assert "it calls greet, which is moderate" in version.risk_reasons


def test_the_callees_own_limits_on_parameters_and_environments_hold(world: World) -> None:
    accept(world, "greet", GREET)
    with_value = CALL.replace("who: ada", "who: '${{ parameters.word }}'")
    quinn = parent(world, with_value, more="  parameters: {properties: {word: {type: string, title: W}}}\n")
    with pytest.raises(CallRefused, match="do not fit"):
        world.ask(quinn, procedure="parent", parameters={"word": "; rm -rf /"})
    assert run_it(world, quinn, "parent", parameters={"word": "bob"}).state == "succeeded"


def test_a_callee_that_does_not_run_there_refuses_the_whole_request(world: World) -> None:
    accept(world, "greet", GREET, environments="staging")
    quinn = parent(world, CALL)
    with pytest.raises(CallRefused, match="does not run in development"):
        world.ask(quinn, procedure="parent")
    assert not Run.objects.exists()
