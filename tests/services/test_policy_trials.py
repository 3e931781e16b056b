"""A policy tried on the past says what it would have refused, and keeps nothing; a policy raises a version's risk."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.evidence.models import Event
from procedures.evidence.queries import version_facts
from procedures.issuer.judgement import highest_told
from procedures.models import Policy, PolicyDecision, Run, Version
from procedures.services.policy_trials import past_of
from tests.factories.policies import ours, put, rules
from tests.factories.portal import World
from tests.factories.reviews import hello, sent

pytestmark = pytest.mark.once
EVERY_RUN = 'deny contains "the reason names no ticket" if not contains(input.reason, "OPS-")'
HIGH = 'raise := "high" if input.procedure.name == "hello"'


@pytest.fixture
def past(world: World) -> World:
    """Quinn asked three times: with a ticket, without one, and a month ago."""
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", "view")
    world.ask(quinn)
    Run.objects.update(requested_at=now() - timedelta(days=31))
    world.ask(quinn)
    ticketed = world.ask(quinn)
    assert ticketed.reason == "a test"
    return world


def test_it_names_the_runs_that_it_would_have_refused_newest_first_and_keeps_nothing(past: World) -> None:
    events, asked = Event.objects.count(), rules(EVERY_RUN, "request", "plan")
    found = past_of(actor=past.mira, object=asked, days=30, at=now())
    assert [(one.kind, one.refused) for one in found.refused] == [("run", ["the reason names no ticket"])] * 2
    assert found.refused[0].at > found.refused[1].at
    assert (found.looked_at, found.left_out) == (2 + Version.objects.count(), 0)
    assert len(past_of(actor=past.mira, object=asked, days=60, at=now()).refused) == 3
    assert Event.objects.count() == events
    assert not Policy.objects.exists()
    assert not PolicyDecision.objects.exists()
    fine = rules(EVERY_RUN.replace("OPS-", "test"), "request")
    assert past_of(actor=past.mira, object=fine, days=30, at=now()).found == []


def test_working_hours_are_judged_at_the_time_of_each_run_and_versions_at_their_submission(past: World) -> None:
    at = now()
    hour = f'deny contains "at that time" if input.now.at >= "{at - timedelta(days=1):%Y-%m-%d}"'
    assert len(past_of(actor=past.mira, object=rules(hour, "plan"), days=60, at=at).refused) == 2
    found = past_of(actor=past.mira, object=ours("naming", pattern="^x-"), days=1, at=at)
    assert {one.kind for one in found.refused} == {"version"}
    assert len(found.refused) == Version.objects.count()
    more = past_of(actor=past.mira, object=rules('require := {"security": 1}', "plan"), days=1, at=at)
    assert (more.refused, {tuple(one.more) for one in more.rest}) == ([], {("asks for 1 × security",)})


def test_whoever_does_not_see_policies_tries_none_and_bad_ones_are_refused_by_field(past: World) -> None:
    with pytest.raises(NotAllowed):
        past_of(actor=past.person("sam"), object=rules(EVERY_RUN), days=30, at=now())
    for changed, days, where in (({}, 0, "/days"), ({"source": "nonsense"}, 3, "/object/source"), ({}, 91, "/days")):
        with pytest.raises(InvalidInput) as refused:
            past_of(actor=past.mira, object=rules(EVERY_RUN) | changed, days=days, at=now())
        assert refused.value.problems[0][0] == where


def test_the_doors_list_policies_and_try_one(past: World) -> None:
    put(past, ours("ticket"))
    rest, page = APIClient(), Client()
    for client in (rest, page):
        client.force_login(past.mira, backend="procedures.access.backend.PasswordBackend")
    rows = {row["name"]: row for row in rest.get("/api/v1/policies/").json()["results"]}
    assert (rows["ticket"]["mode"], rows["ticket"]["revision"], rows["naming"]["mode"]) == ("on", 1, "off")
    tried = rest.post("/api/v1/policies/past/", {"policy": rules(EVERY_RUN, "request"), "days": 30}, format="json")
    assert [row["refused"] for row in tried.json()["found"]] == [["the reason names no ticket"]] * 2
    assert {row["procedure"] for row in tried.json()["found"]} == {"hello"}
    posted = {
        "mode": "on",
        "stages": ["request"],
        "days": "30",
        "do": "try",
        "s.pattern": "OPS-[0-9]+",
        "s.example": "OPS-1",
    }
    shown = page.post("/policies/ticket/", posted).content.decode()
    assert "2 would have been refused" in shown
    assert page.post("/policies/ticket/", posted | {"days": "x"}).status_code == 422
    sam = APIClient()
    sam.force_login(past.person("sam"), backend="procedures.access.backend.PasswordBackend")
    assert sam.get("/api/v1/policies/").status_code == 403
    assert sam.post("/api/v1/policies/past/", {"policy": {}, "days": 3}, format="json").status_code == 403


def test_a_policy_raises_the_risk_of_a_version_and_never_lowers_it(world: World, panel: dict[str, Any]) -> None:
    put(world, rules(HIGH))
    version = sent(world, hello())
    assert (version.risk, version.risk_reasons[-1]) == ("high", "the policy house says high")
    assert highest_told(version_facts(version.pk), ["low"]) == "high", "the issuer takes it from the log"
    put(world, rules(HIGH.replace('"high"', '"low"')))
    other = sent(world, hello(word="other"))
    assert other.risk == version.definition["risk"]
    put(world, rules(HIGH) | {"mode": "warn", "warn_until": soon()})
    third = sent(world, hello(word="third"))
    assert third.risk == other.risk


def soon() -> str:
    return f"{now() + timedelta(days=3):%Y-%m-%dT%H:%M:%S.%f}Z"


def test_a_raise_of_another_shape_refuses_and_one_that_is_never_asked_is_not_put_in_force(world: World) -> None:
    put(world, rules('raise := "enormous"'))
    version = sent(world, hello())
    said = PolicyDecision.objects.get(version=version)
    assert "says 'enormous', not low, moderate, high" in said.denied[0]["message"]
    with pytest.raises(InvalidInput, match="give it the stage submit"):
        world.propose("policy", rules(HIGH, "plan"))
