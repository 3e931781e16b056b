"""That no runner would take a run is said at once: by form, answer, approval and why it waits; nothing is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.models import Environment, Person, Run, Runner, Target
from procedures.queries import waiting
from procedures.runner import reporting
from procedures.services.runner_reports import report
from tests.factories.machines import Machine
from tests.factories.portal import World
from tests.services.test_queue import hosts, on_web

pytestmark = pytest.mark.ordinary
WISH = {"procedure": "hello", "environment": "development", "parameters": {"name": "Zoe"}, "reason": "to see"}
NOBODY = "No runner serves development: an operator enrols one."


@pytest.fixture
def quinn(world: World, run: Run) -> Person:
    return run.requester


def signed_in(person: Person) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(person, backend="procedures.access.backend.PasswordBackend")
    return client


def asked(person: Person, **more: Any) -> Any:
    return signed_in(person).post("/api/v1/runs/", {**WISH, **more}, content_type="application/json")


def runner_words(answer: Any) -> list[str]:
    return [why["text"] for why in answer.json()["waiting_for"] if why["kind"] == "runner"]


def test_the_answer_the_form_and_the_run_say_it_and_the_run_is_asked_for_all_the_same(quinn: Person) -> None:
    Runner.objects.update(environments=["staging"])
    client = signed_in(quinn)
    assert NOBODY in client.get("/procedures/hello/").content.decode()
    form = {"environment": "development", "p.name": "Zoe", "preview": "1"}
    assert NOBODY in client.post("/procedures/hello/", form).content.decode()
    assert NOBODY in client.post("/procedures/hello/preview/", form).content.decode()
    made = asked(quinn)
    assert (made.status_code, made.json()["state"], runner_words(made)) == (201, "queued", [NOBODY])
    assert NOBODY in client.get(f"/runs/{made.json()['id']}/").content.decode()
    Runner.objects.update(environments=["development"])
    assert NOBODY not in client.get("/procedures/hello/").content.decode()
    assert runner_words(asked(quinn)) == []


def test_whoever_would_approve_it_reads_it_too(world: World, quinn: Person) -> None:
    Environment.objects.filter(pk="development").update(approvals={"low": {"operations": 1}})
    Runner.objects.update(environments=[])
    made = asked(quinn)
    assert (made.status_code, [why["kind"] for why in made.json()["waiting_for"]]) == (202, ["approval", "runner"])
    assert NOBODY in signed_in(world.mira).get(f"/approvals/{made.json()['id']}/").content.decode()


def test_one_that_lives_and_cannot_does_not_stand_for_one_that_can_and_is_gone(
    world: World, quinn: Person, machine: Machine
) -> None:
    """Two serve the environment; the one with the actions was heard of an hour ago, the other lacks them."""
    world.confirmed("runner", machine.object)
    said = {**reporting.said(), "process": "x", "actions": {}}
    report(runner=machine.me.id, tier="B", version="x", said=said, at=now())
    assert runner_words(asked(quinn)) == []
    Runner.objects.exclude(pk=machine.me.id).update(heartbeat_at=now() - timedelta(hours=1))
    [words] = runner_words(asked(quinn))
    assert words.startswith("No runner of development that can do this was heard of since ")
    Runner.objects.exclude(pk=machine.me.id).update(heartbeat_at=None)
    never = "No runner of development that can do this was ever heard of: an operator starts one."
    assert runner_words(asked(quinn)) == [never]


def test_the_zone_of_the_targets_that_it_would_touch_is_known_before_it_is_asked_for(world: World) -> None:
    hosts("web-1", "web-2")
    Target.objects.filter(name="web-2").update(attributes={"zone": "dmz"})
    petra = on_web(world, "patch")
    form = {"environment": "development", "preview": "1"}
    page = signed_in(petra).post("/procedures/patch/", form).content.decode()
    assert "No runner of development reaches the zone dmz." in page
    Environment.objects.filter(pk="development").update(tier="A")
    [tier, _] = [why.text for why in waiting.waiting_for(seen(world.ask(petra, procedure="patch")), petra, now())]
    assert tier == "No runner of development reaches the zone dmz."
    assert "offers tier A" in signed_in(petra).get("/procedures/patch/").content.decode()


def seen(run: Run) -> Run:
    return Run.objects.select_related("environment", "procedure", "requester", "version").get(pk=run.pk)
