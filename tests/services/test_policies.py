"""Policies on a version: what is refused is not accepted, what is required is asked for, what is stale dies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence.models import Event
from procedures.models import Policy, PolicyDecision, Version
from procedures.queries.policies import last_said, standing
from procedures.services import policies, reviews
from procedures.services.policies import PolicyDenied
from tests.factories.policies import ours, put, rules
from tests.factories.portal import World
from tests.factories.reviews import hello, sent

pytestmark = pytest.mark.once
NO_DESCRIPTION = {"owner": "^group:", "description": 20, "tags": [], "readme": True}


def said(version: Version) -> PolicyDecision:
    found = last_said(version)
    assert found is not None
    return found


def test_a_version_that_a_policy_refuses_is_not_accepted_by_anybody(world: World, panel: dict[str, Any]) -> None:
    put(world, ours("ownership", **NO_DESCRIPTION))
    version = sent(world, hello())
    assert [row["message"] for row in said(version).denied] == ["its description has fewer than 20 characters"]
    with pytest.raises(PolicyDenied, match="ownership: its description has fewer than 20 characters"):
        world.review(panel["max"], version, "operations", "security", "compliance")
    version.refresh_from_db()
    assert version.state == "in_review"
    refusals = Event.objects.filter(kind="access.denied")
    assert any(b'"policy"' in bytes(row.body) and b"ownership" in bytes(row.body) for row in refusals)
    assert world.review(panel["max"], version, verdict="reject").state == "rejected", "turning down needs no policy"


def test_each_decision_is_evidence_with_the_digests_of_policies_and_input(world: World) -> None:
    put(world, ours("ownership", **NO_DESCRIPTION))
    version = sent(world, hello())
    body = bytes(Event.objects.get(kind="policy.decided").body).decode()
    row = said(version)
    assert row.policies.startswith("sha256:")
    assert row.input.startswith("sha256:")
    assert all(part in body for part in (row.policies, row.input, version.digest, "fewer than 20 characters"))


def test_what_a_policy_requires_is_asked_for_beside_the_profile(world: World, panel: dict[str, Any]) -> None:
    put(world, ours("more-reviewers", risk="low", duty="security", people=1))
    version = sent(world, hello())
    assert said(version).required == {"security": 1}
    world.review(panel["olga"], version, "operations")
    version.refresh_from_db()
    assert version.state == "in_review"
    assert reviews.still_missing(version) == ["security"]
    world.review(panel["sven"], version, "security")
    version.refresh_from_db()
    assert version.state == "accepted"
    accepted = bytes(Event.objects.filter(kind="version.accepted").latest("id").body).decode()
    assert '"required":{"security":1}' in accepted


def test_a_result_dies_with_the_policies_that_it_was_made_under(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    assert last_said(version) is None, "no policy is on, so none was asked"
    put(world, rules('deny contains "no more of these"'))
    with pytest.raises(PolicyDenied, match="no more of these"):
        world.review(panel["olga"], version, "operations")
    put(world, rules('deny contains "no more of these"', mode="off"))
    assert world.review(panel["olga"], version, "operations").state == "accepted"


def test_one_that_only_warns_refuses_once_its_days_are_over(world: World, panel: dict[str, Any]) -> None:
    until = now() + timedelta(days=13)
    put(world, rules('deny contains "soon"', mode="warn", warn_until=moment(until)))
    version = sent(world, hello())
    assert (said(version).denied, said(version).warned[0]["message"]) == ([], "would refuse: soon")
    later = policies.version_decision(version, standing(), at=until)
    assert later.denied[0].message == "soon"
    assert world.review(panel["olga"], version, "operations").state == "accepted"


WRONG = [
    ('deny contains {"reason": "x"}', "neither a text nor an object with msg"),
    ("deny contains 5", "neither a text nor an object with msg"),
    ('deny := "x"', "deny is no set of messages"),
    ('require := {"cooking": 1}', "names 'cooking'"),
    ('require := {"security": 0}', "asks for 0 × security"),
    ('deny contains "x" if to_number(input.version.title) > 1', "cannot be evaluated"),
    ('deny contains "x" if regex.match("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")', "200 ms"),
]


def test_what_cannot_be_evaluated_or_has_another_shape_refuses_and_says_which_policy(world: World) -> None:
    version = sent(world, hello())
    Policy.objects.create(name="house", mode="on", object={}, digest="d", since_at=now())
    for text, told in WRONG:
        Policy.objects.update(object=rules(text))
        denied = policies.judge_version(version, at=now()).denied
        assert [row.policy for row in denied] == ["house"], text
        assert told in denied[0].message


REFUSED = [
    ({"source": "deny := 1"}, "/object/source"),
    ({"source": "package house\n\nallow := true\n"}, "/object/source"),
    ({"source": "package house\n\ndeny contains opa.runtime().env\n"}, "/object/source"),
    ({"source": "package settings\n\ndeny contains 1\n"}, "/object/source"),
    ({"mode": "warn"}, "/object/warn_until"),
    ({"mode": "warn", "warn_until": moment(now() + timedelta(days=15))}, "/object/warn_until"),
    ({"mode": "on", "warn_until": moment(now() + timedelta(days=1))}, "/object/warn_until"),
    ({"settings": {"share": 0.5}}, "/object/settings/share"),
    ({"shipped": "naming"}, "/object/source"),
    ({"shipped": "nothing"}, "/object/shipped"),
    ({"environments": ["nowhere"]}, "/object/environments/0"),
    ({"stages": []}, "/object/stages"),
]


def test_a_policy_that_could_not_be_used_is_refused_when_it_is_proposed(world: World) -> None:
    for change, pointer in REFUSED:
        with pytest.raises(InvalidInput) as refused:
            world.propose("policy", rules('deny contains "x"') | change)
        assert pointer in [row[0] for row in refused.value.problems], change


def test_settings_of_a_shipped_policy_fit_its_schema(world: World) -> None:
    with pytest.raises(InvalidInput, match="/object/settings/longest"):
        world.propose("policy", ours("naming", longest=1000))
    with pytest.raises(InvalidInput, match="naming has no rule for plan"):
        world.propose("policy", ours("naming") | {"stages": ["submit", "plan"]})


def test_one_manager_alone_puts_no_policy_in_force(world: World) -> None:
    assert world.propose("policy", ours("naming")).state == "proposed"
    assert not Policy.objects.exists()


def test_a_policy_of_other_environments_is_not_asked(world: World) -> None:
    put(world, rules('deny contains "x"', environments=["production"]))
    assert last_said(sent(world, hello(places="development"))) is None
    assert said(sent(world, hello(places="development, production"))).denied
