"""What a runner can and what a run needs, as plain values and in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from procedures.domain.capabilities import Ability, Need, able, lacks, told

MARKS = {"local:script": "opsportal:1", "acme:greet": "acme:1.0:" + "a" * 64}
NEED = Need("production", actions=MARKS)
GOOD = Ability("r1", ("production",), reported=True, tier="B", actions=MARKS, software="sha256:x")


def test_a_runner_that_can_everything_is_offered_the_run() -> None:
    assert lacks(NEED, GOOD) == ""
    assert able(NEED, [GOOD, replace(GOOD, environments=("staging",))]) == [GOOD]
    assert told(NEED, [GOOD]) == ""


@pytest.mark.parametrize(
    ("need", "one", "why"),
    [
        (replace(NEED, environment="staging"), GOOD, "No runner serves staging: an operator enrols one."),
        (replace(NEED, tier="A"), GOOD, "No runner of production offers tier A; one is there with B."),
        (replace(NEED, zones=frozenset({"dmz"})), GOOD, "No runner of production reaches the zone dmz."),
        (NEED, replace(GOOD, actions={"local:script": "opsportal:1"}), "has the action acme:greet."),
        (NEED, replace(GOOD, actions={**MARKS, "acme:greet": "acme:1.1:b"}), "acme:greet with the digest that was"),
        (NEED, replace(GOOD, tier="D"), "has a sandbox, which local steps need."),
        (NEED, replace(GOOD, plan_format=2), "reads plans of format 1: web and runners run different versions."),
        (NEED, replace(GOOD, attested=("sha256:y",)), "reports the software that was attested"),
    ],
)
def test_what_is_missing_is_said(need: Need, one: Ability, why: str) -> None:
    assert why in told(need, [one])
    assert able(need, [one]) == []


def test_several_runners_are_counted_by_their_tier() -> None:
    runners = [GOOD, replace(GOOD, name="r2"), replace(GOOD, name="r3", tier="D")]
    said = told(replace(NEED, tier="A"), runners)
    assert said == "No runner of production offers tier A; two are there with B and one is there with D."
    assert told(replace(NEED, tier="A"), [*runners, replace(GOOD, tier="A")]) == ""


def test_what_a_runner_has_not_said_yet_is_held_against_it_only_where_people_asked_for_it() -> None:
    new = Ability("r4", ("production",))
    assert lacks(NEED, new) == ""
    assert lacks(replace(NEED, tier="B"), new) == "offers tier B"
    assert lacks(NEED, replace(new, attested=("sha256:x",))) != ""
    assert lacks(NEED, replace(GOOD, zones=frozenset({"dmz", "core"}))) == "", "more zones than needed do no harm"
