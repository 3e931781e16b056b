"""Risk is raised, never lowered, by what a version can reach; each reason is listed (decisions.md, 3)."""

from __future__ import annotations

from typing import Any

import pytest

from procedures.definitions.load import build
from procedures.definitions.registry import actions
from procedures.definitions.risk import risk_floor
from procedures.domain.definition import RISKS, Definition
from procedures.services import calls

PLAIN = {"action": "local:command", "input": {"argv": ["true"]}}
BOUND = {"environment": "staging", "name": "deploy", "provider": "ssh-certificate", "reach": {}, "role": "deploy"}


def definition(*steps: dict[str, Any], risk: str = "low", choice: str = "", **spec: Any) -> Definition:
    whole = {
        "owner": "group:default/x",
        "type": "operation",
        "risk": risk,
        "environments": ["staging", "production"],
        "steps": list(steps) or [PLAIN],
        **({"targets": {"filter": choice}} if choice else {}),
        **spec,
    }
    return build({"apiVersion": "opsportal/v1", "kind": "Procedure", "metadata": {"name": "p"}, "spec": whole})


def judged(made: Definition, *bindings: dict[str, Any], trust_key: bool = False) -> tuple[str, list[str]]:
    return risk_floor(made, bindings=bindings, production={"production"}, trust_key=trust_key, actions=actions())


SSH = {"action": "ssh:command", "input": {"argv": ["id"]}}
FLOORS: list[tuple[str, Definition, list[dict[str, Any]], bool, str, str]] = [
    ("an ssh step", definition(SSH, choice="role=web"), [], False, "moderate", "uses ssh:command"),
    (
        "an http request",
        definition({"action": "http:request", "input": {"url": "https://x"}}),
        [],
        False,
        "moderate",
        "http:request",
    ),
    (
        "the network",
        definition({**PLAIN, "input": {"argv": ["true"], "network": True}}),
        [],
        False,
        "moderate",
        "network",
    ),
    (
        "hosts of a list",
        definition({**PLAIN, "input": {"argv": ["true"], "egress": ["api.example.com:443"]}}),
        [],
        False,
        "moderate",
        "network",
    ),
    (
        "the network, if a parameter says so",
        definition({**PLAIN, "input": {"argv": ["true"], "network": "${{ parameters.n }}"}}),
        [],
        False,
        "moderate",
        "network",
    ),
    (
        "a binding in production",
        definition(),
        [{**BOUND, "environment": "production"}],
        False,
        "moderate",
        "bound in production",
    ),
    ("root", definition(), [{**BOUND, "role": "root"}], False, "high", "root in staging"),
    ("what reaches root", definition(), [{**BOUND, "reach": {"root": True}}], False, "high", "root in staging"),
    ("unbounded sudo", definition(), [{**BOUND, "reach": {"sudo": "all"}}], False, "high", "root in staging"),
    (
        "a static secret in production",
        definition(),
        [{**BOUND, "environment": "production", "provider": "sealed-secret"}],
        False,
        "high",
        "static secret",
    ),
    ("every target of production", definition(choice="role!=db"), [], False, "high", "every production target"),
    ("a host trusted by a plain key", definition(choice="role=web"), [], True, "moderate", "plain key"),
    ("terraform destroy", definition({"action": "terraform:destroy"}), [], False, "high", "terraform:destroy"),
    ("kubernetes delete", definition({"action": "kubernetes:delete"}), [], False, "high", "kubernetes:delete"),
    ("what undoes counts too", definition(rollback=[{"action": "kubernetes:delete"}]), [], False, "high", "delete"),
    ("what always runs counts too", definition(always=[SSH], choice="role=web"), [], False, "moderate", "ssh"),
]


@pytest.mark.parametrize("floor", FLOORS, ids=[f[0] for f in FLOORS])
def test_each_floor_raises_and_gives_its_reason(floor: tuple[str, Definition, list[Any], bool, str, str]) -> None:
    _, made, bindings, trust_key, wanted, reason = floor
    risk, reasons = judged(made, *bindings, trust_key=trust_key)
    assert risk == wanted
    assert any(reason in why for why in reasons), reasons


def test_nothing_that_it_reaches_leaves_it_as_declared() -> None:
    assert judged(definition(choice="role=web"), BOUND) == ("low", [])


def test_a_static_secret_outside_production_and_a_certificate_inside_are_less() -> None:
    assert judged(definition(), {**BOUND, "provider": "sealed-secret"})[0] == "low"
    assert judged(definition(), {**BOUND, "environment": "production"})[0] == "moderate"


def test_a_plain_key_raises_to_moderate_at_most() -> None:
    assert judged(definition(risk="moderate", choice="role=web"), trust_key=True) == ("moderate", [])


@pytest.mark.parametrize("declared", RISKS)
@pytest.mark.parametrize("floor", FLOORS, ids=[f[0] for f in FLOORS])
def test_nothing_ever_lowers_what_the_author_declared(declared: Any, floor: Any) -> None:
    from dataclasses import replace

    risk, _ = judged(replace(floor[1], risk=declared), *floor[2], trust_key=floor[3])
    assert RISKS.index(risk) >= RISKS.index(declared)


def test_what_is_called_raises_and_never_lowers() -> None:
    rows = [("high", "it calls a, which is high"), ("low", "it calls b, which is low")]
    assert calls.highest(rows, "moderate", ["x"]) == ("high", ["it calls a, which is high", "x"])
    assert calls.highest([rows[1]], "moderate", ["x"]) == ("moderate", ["x"])
