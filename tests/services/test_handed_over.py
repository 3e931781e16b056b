"""A run that its runner let go between two steps stands in the queue and still holds its group and its targets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procedures.domain.clock import now
from procedures.domain.holds import PARKED
from procedures.models import Claim, Person, Run
from procedures.queries import waiting
from procedures.services import endings
from tests.engine.test_runs import procedure
from tests.factories.portal import World
from tests.services.test_queue import ONE, claim, hosts, next_up, on_web

pytestmark = pytest.mark.ordinary


def handed_over(run: Run) -> None:
    taken = claim(run)
    assert taken is not None
    endings.hand_over(run=run.pk, token=taken.token, at=now())
    assert not Claim.objects.filter(run=run).exists()
    run.refresh_from_db()
    assert run.state == "queued"


def words(run: Run, asker: Person) -> list[str]:
    row = Run.objects.select_related("environment", "procedure", "requester", "version").get(pk=run.pk)
    return [why.text for why in waiting.waiting_for(row, asker, now())]


def test_no_other_run_of_its_group_slips_in_before_the_next_runner_has_it(world: World) -> None:
    quinn = procedure(world, "deploy", ONE, tail="  concurrency: {group: live}\n")
    first, second = world.ask(quinn, procedure="deploy"), world.ask(quinn, procedure="deploy")
    handed_over(first)
    assert claim(second) is None
    assert next_up() == [first.pk]
    assert words(second, quinn)[0] == f"Run #{first.no} of Runner-Deploy (deploy) is parked and keeps the group live."
    assert words(first, quinn) == ["It is next: a runner goes on with it as soon as one is free."]
    assert claim(first) is not None
    assert claim(second) is None


def test_nor_one_of_another_procedure_on_its_targets_for_four_hours(world: World) -> None:
    hosts("web-1")
    quinn, petra = on_web(world, "patch"), on_web(world, "restart")
    first, second = world.ask(quinn, procedure="patch"), world.ask(petra, procedure="restart")
    handed_over(first)
    assert claim(second) is None
    Run.objects.filter(pk=first.pk).update(state_since=now() - PARKED - timedelta(minutes=1))
    assert claim(second) is not None, "nobody took it for so long: what it held is free again"
    assert claim(first) is None, "and it waits like any other"
