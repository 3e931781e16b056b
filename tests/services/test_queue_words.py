"""Why a run waits, as its page, the API and the command line say it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procedures.domain.clock import now
from procedures.models import Environment, Hold, Person, Run, Runner, Target
from procedures.queries import waiting
from tests.engine.test_runs import procedure
from tests.factories.portal import World
from tests.services.test_queue import DEVELOPMENT, ONE, claim, hosts, on_web, parked, rules

pytestmark = pytest.mark.ordinary


def told(run: Run, asker: Person) -> list[tuple[str, str]]:
    row = Run.objects.select_related("environment", "procedure", "requester", "version").get(pk=run.pk)
    return [(why.kind, why.text) for why in waiting.waiting_for(row, asker, now())]


def test_a_run_that_waits_says_why_and_names_nothing_that_its_reader_may_not_see(world: World) -> None:
    hosts("web-1", "web-2")
    quinn, petra = on_web(world, "patch"), on_web(world, "restart")
    first, second = world.ask(quinn, procedure="patch"), world.ask(petra, procedure="restart")
    last = world.ask(quinn, procedure="patch")
    assert told(first, quinn) == [("queue", "Next in the queue of development.")]
    assert claim(first) is not None
    assert told(first, quinn) == []
    [(kind, text), place] = told(second, petra)
    assert (kind, text) == ("lock", "Another run has the lock of web-1, web-2.")
    assert place == ("queue", "Next in the queue of development.")
    assert told(last, quinn)[0] == ("lock", f"Run #{first.no} of Runner-Patch (patch) has the lock of web-1, web-2.")
    assert told(last, quinn)[1] == ("queue", "Number 2 in the queue of development.")
    parked(first)
    assert "is parked and keeps the lock" in told(last, quinn)[0][1]
    assert [kind for kind, _ in told(first, quinn)] == ["wait", "holds"]
    Runner.objects.update(heartbeat_at=now() - timedelta(hours=1))
    assert "runner" in [kind for kind, _ in told(last, quinn)]
    Runner.objects.update(environments=[])
    assert ("runner", "No runner serves development: an operator enrols one.") in told(last, quinn)
    Environment.objects.filter(pk="development").update(frozen_until_at=now() + timedelta(hours=2))
    assert told(last, quinn)[0][0] == "freeze"


def test_what_waits_for_a_limit_or_an_approval_says_so(world: World) -> None:
    quinn = procedure(world, "job", ONE)
    rules(world, procedures={"job": 1})
    first, second = world.ask(quinn, procedure="job"), world.ask(quinn, procedure="job")
    assert claim(first) is not None
    assert told(second, quinn)[0] == ("limit", "One run of job is under way in development, which is its limit.")
    world.confirmed("environment", {**DEVELOPMENT, "approvals": {"low": {"operations": 1}}})
    third = world.ask(quinn, procedure="job")
    [(kind, text)] = told(third, quinn)
    assert kind == "approval"
    assert text.startswith("Waits for approval (1 × operations) until ")
    assert text.endswith("Mira may give it.")
    world.may(world.person("olga", "operations"), "approve", procedure="job")
    assert "Olga" in told(third, quinn)[0][1]


def test_a_run_needs_the_lock_of_each_target_that_it_acts_on(world: World) -> None:
    hosts("web-1", "web-2")
    quinn = on_web(world, "patch")
    run = world.ask(quinn, procedure="patch")
    names = sorted(f"target:{pk}" for pk in Target.objects.values_list("pk", flat=True))
    assert list(Hold.objects.filter(run=run).order_by("name").values_list("name", "most")) == [(n, 1) for n in names]
