"""How a run goes over its targets: batches, their order, and how many may fail before the rest is left alone."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.domain import plan
from procedures.domain.definition import Strategy
from procedures.domain.ids import uuid7
from procedures.domain.ports import Target
from procedures.models import Person, Run
from tests.engine.test_runs import procedure, run_it, shell, text
from tests.factories.portal import World, public_text

NAMES = tuple(f"web-{number}" for number in range(1, 9))
TEST = "each: '${{ targets }}', action: 'local:command', timeout: 20s"


def target(name: str) -> Target:
    return Target(uuid7(), name, "192.0.2.1", 22, "ssh", "", "certificate", {"role": "web"})


@pytest.mark.parametrize(
    ("strategy", "sizes"),
    [
        (Strategy("rolling", "25%"), [2, 2, 2, 2]),
        (Strategy("rolling", "33%"), [2, 2, 2, 2]),
        (Strategy("rolling", "1%"), [1] * 8),
        (Strategy("rolling", 3), [3, 3, 2]),
        (Strategy("rolling", 0), [1] * 8),
        (Strategy("sequential", "50%"), [1] * 8),
        (Strategy("parallel", "25%"), [8]),
        (Strategy("parallel", canary=1), [1, 7]),
        (Strategy("parallel", canary="100%"), [8]),
        (Strategy("parallel", canary="1%"), [1, 7]),
        (Strategy("sequential", canary=3), [3, 1, 1, 1, 1, 1]),
        (Strategy("rolling", 1, ramp=2), [1, 2, 4, 1]),
        (Strategy("rolling", "25%", ramp=1.5), [2, 3, 3]),
        (Strategy("rolling", 3, canary=1, ramp=10), [1, 3, 4]),
    ],
)
def test_a_batch_is_a_number_or_a_share_rounded_down_and_at_least_one(strategy: Strategy, sizes: list[int]) -> None:
    found = plan.batches(strategy, [target(name) for name in NAMES], seed="x")
    assert [len(batch) for batch in found] == sizes
    assert [name for batch in found for name in batch] == list(NAMES)


def test_a_random_order_is_one_that_the_same_run_finds_again() -> None:
    here = [target(name) for name in NAMES]
    random = Strategy("rolling", 1, order="random")
    once = plan.batches(random, here, seed="a")
    assert once == plan.batches(random, here[::-1], seed="a")
    assert len({str(plan.batches(random, here, seed=str(n))) for n in range(9)}) > 1
    assert sorted(name for batch in once for name in batch) == list(NAMES)


def test_no_target_is_one_batch_of_nobody_and_reverse_is_the_name_from_behind() -> None:
    assert plan.batches(Strategy("rolling", 2, canary=1), [], seed="x") == [[]]
    back = plan.batches(Strategy("rolling", 4, order="reverse"), [target(name) for name in NAMES], seed="x")
    assert [name for batch in back for name in batch] == list(reversed(NAMES))


def town(world: World, *names: str) -> None:
    for number, name in enumerate(names):
        made = {"environment": "development", "name": name, "address": "192.0.2.1", "port": 22 + number}
        key = public_text(Ed25519PrivateKey.generate())
        about = {"host_key": key, "trust": "certificate", "tags": {"role": "web"}, "attributes": {}, "action": "set"}
        world.confirmed("target", {**made, **about})


def rolling(world: World, script: str, strategy: str, more: str = "") -> Person:
    row = f"{{id: one, {TEST}, input: {{argv: [sh, -c, {script!r}], env: {{AT: '${{{{ each.name }}}}'}}}}{more}}}"
    tail = f"  targets: {{filter: role=web, strategy: {{{strategy}}}}}\n"
    tail += f"  rollback:\n    - {shell('undo', 'echo undone')}\n"
    return procedure(world, "rolls", row, shell("two", "echo last"), tail=tail)


def states(run: Run) -> dict[str, str]:
    return dict(run.tasks.filter(step="one").values_list("target", "state"))


@pytest.mark.parametrize(
    ("allowed", "state", "seen"),
    [("0", "failed", 1), ("1", "succeeded", 4), ("'25%'", "succeeded", 4), ("'24%'", "failed", 1)],
)
def test_more_failures_than_allowed_leave_the_next_batch_alone(
    world: World, allowed: str, state: str, seen: int
) -> None:
    town(world, *NAMES[:4])
    quinn = rolling(world, "test $AT != web-1", f"mode: rolling, batch: '25%', maxFailures: {allowed}")
    run = run_it(world, quinn, "rolls")
    assert (run.state, len(states(run))) == (state, seen)
    assert states(run)["web-1"] == "failed"


@pytest.mark.parametrize(("broken", "state", "seen"), [("web-1", "failed", 1), ("web-2", "succeeded", 4)])
def test_of_a_canary_none_may_fail_and_of_the_others_as_many_as_allowed(
    world: World, broken: str, state: str, seen: int
) -> None:
    town(world, *NAMES[:4])
    quinn = rolling(world, f"test $AT != {broken}", "mode: rolling, canary: 1, batch: 1, maxFailures: 2")
    run = run_it(world, quinn, "rolls")
    assert (run.state, len(states(run))) == (state, seen)
    assert states(run)[broken] == "failed"


def test_a_rollback_waits_for_more_failures_than_allowed(world: World) -> None:
    town(world, *NAMES[:2])
    quinn = rolling(world, "test $AT != web-1", "mode: rolling, batch: 1, maxFailures: 1", ", onFailure: rollback")
    run = run_it(world, quinn, "rolls")
    assert (run.state, "undone" in text(run)) == ("succeeded", False)
