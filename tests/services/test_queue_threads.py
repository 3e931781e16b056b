"""Claims at the same moment, committed for real: one has what both need, and neither waits for the other for ever."""

from __future__ import annotations

from collections.abc import Callable

from procedures.domain.clock import now
from procedures.models import Run
from procedures.services import claims
from procedures.services.run_groups import GroupBusy
from tests.engine.test_runs import procedure, shell
from tests.factories.portal import new_world
from tests.fixtures.databases import FreshDatabase
from tests.services.test_deputies import at_once
from tests.services.test_queue import hosts, me, on_web, over, rules

ONE = shell("one", "echo here")


def taking(run: Run) -> Callable[[], object]:
    runner = me()
    return lambda: claims.claim_run(run=run.pk, runner=runner, at=now()) is not None


def test_two_claims_at_once_hold_a_group_a_target_and_a_limit_once(fresh_database: FreshDatabase) -> None:
    """Targets in crossing order too: one run locks web-1 and then web-2 as its filter has them, the other backwards."""
    world = new_world()
    quinn = procedure(world, "grouped", ONE, tail="  concurrency: {group: one}\n")
    pair = [world.ask(quinn, procedure="grouped") for _ in range(2)]
    assert at_once(*map(taking, pair)) == ["False", "True"]
    over(Run.objects.get(state="running"))
    hosts("web-1", "web-2")
    petra, olga = on_web(world, "patch"), on_web(world, "restart", order="reverse")
    pair = [world.ask(petra, procedure="patch"), world.ask(olga, procedure="restart")]
    assert at_once(*map(taking, pair)) == ["False", "True"]
    over(Run.objects.get(state="running"))
    rules(world, procedures={"limited": 1})
    nora = procedure(world, "limited", ONE)
    pair = [world.ask(nora, procedure="limited") for _ in range(2)]
    assert at_once(*map(taking, pair)) == ["False", "True"]


def test_two_requests_at_once_of_a_group_that_rejects_are_one_run(fresh_database: FreshDatabase) -> None:
    world = new_world()
    quinn = procedure(world, "grouped", ONE, tail="  concurrency: {group: one, onConflict: reject}\n")
    told = at_once(*[lambda: world.ask(quinn, procedure="grouped").state] * 2)
    assert told == ["queued", GroupBusy.code]
    assert Run.objects.filter(procedure__name="grouped").count() == 1
