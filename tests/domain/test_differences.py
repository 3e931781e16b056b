"""The semantic diff, row by row: what is wider, what is narrower, and in which words."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from procedures.domain.definition import (
    ArtifactNeed,
    Concurrency,
    Retry,
    Strategy,
    Targets,
    of_json,
)
from procedures.domain.differences import counted, differences
from tests.factories.sides import ASK, BASE, FORM, OLD, RESTART, against, changed, form, step

ONCE = {"value": "${{ steps.a.output.p }}", "deliver": "once"}


def test_nothing_changed_is_same_in_every_row() -> None:
    assert {row.effect for row in differences(OLD, OLD)} == {"same"}


def test_a_definition_comes_back_from_the_json_that_a_version_keeps() -> None:
    kept = replace(RESTART, artifacts=(ArtifactNeed("dump", "dump.sql"),))
    undo = replace(RESTART, id="undo", retry=Retry(3, 2, 2))
    rich = replace(BASE, always=(kept,), rollback=(undo,), callable_by=("x",))
    assert of_json(json.loads(json.dumps(asdict(rich)))) == rich
    older = json.loads(json.dumps(asdict(rich)))
    del older["callable_by"], older["evidence"]
    assert of_json(older).callable_by == ()


def test_wider_rows_come_first_and_are_counted() -> None:
    rows = differences(
        OLD, replace(OLD, definition=replace(BASE, environments=("staging", "production"), timeout_s=60))
    )
    effects = [row.effect for row in rows]
    assert effects == sorted(effects, key=("wider", "changed", "narrower", "same").index)
    assert counted(rows)["wider"] >= 1
    assert counted(rows)["narrower"] == 1


@pytest.mark.parametrize(
    ("fields", "row", "effect", "why"),
    [
        ({"environments": ("staging", "production")}, ("Environments", ""), "wider", "may now run in production"),
        ({"environments": ()}, ("Environments", ""), "narrower", "no longer runs in staging"),
        ({"timeout_s": 3600}, ("Limits", "time"), "wider", "1 h instead of 15 min"),
        ({"timeout_s": 60}, ("Limits", "time"), "narrower", "1 min"),
        ({"concurrency": None}, ("Limits", "concurrency"), "wider", "several may now run at once"),
        (
            {"concurrency": Concurrency("one", "cancel-running")},
            ("Limits", "concurrency"),
            "wider",
            "end a run under way",
        ),
        ({"concurrency": Concurrency("one", "reject")}, ("Limits", "concurrency"), "changed", "reject"),
        ({"min_tier": "B"}, ("Limits", "sandbox"), "narrower", "a stronger sandbox"),
        ({"callable_by": ("other",)}, ("Callable by", ""), "wider", "called by other"),
        ({"output": {"secrets": {"p": ONCE}}}, ("Secret results", "p"), "wider", "a secret that it makes now"),
        (
            {"evidence": {"retention": "1d"}},
            ("Evidence", ""),
            "wider",
            "declared by the author: kept for a shorter time",
        ),
        ({"evidence": {**BASE.evidence, "retention": "9y"}}, ("Evidence", ""), "changed", "kept longer"),
        (
            {"evidence": {**BASE.evidence, "controls": ["x"]}},
            ("Evidence", ""),
            "changed",
            "declared by the author: claims x",
        ),
        ({"risk": "low"}, ("Risk", ""), "changed", "its author now declares low, moderate before"),
        ({"owner": "group:default/b"}, ("Told", "owner"), "changed", "gives nobody a right"),
        ({"secrets": {}}, ("Secrets", "token"), "narrower", "chooses it no more"),
        ({"credentials": {}}, ("Credentials", "deploy"), "narrower", "no longer asked for"),
        ({"targets": None}, ("Targets", "filter"), "narrower", "acts on no targets"),
        ({"targets": Targets("role=*")}, ("Targets", "filter"), "narrower", "no longer matches"),
        ({"targets": Targets("name~*", Strategy("rolling", "25%", 1))}, ("Targets", "filter"), "wider", "every target"),
        ({"targets": Targets("role=web or role=db")}, ("Targets", "filter"), "wider", "also matches db-0, db-1, db-2"),
        ({"targets": Targets("role=web env!=x")}, ("Targets", "filter"), "narrower", "it demands more"),
        ({"targets": Targets("role!=db role~web*")}, ("Targets", "filter"), "wider", "every target"),
        (
            {"targets": Targets("role=web or role=none")},
            ("Targets", "filter"),
            "changed",
            "matches the same of today's",
        ),
        (
            {"targets": Targets("role=web", Strategy("parallel"))},
            ("Targets", "at once"),
            "wider",
            "8 at once, 2 before",
        ),
        (
            {"targets": Targets("role=web", Strategy("sequential", max_failures=1))},
            ("Targets", "at once"),
            "narrower",
            "1 at",
        ),
        (
            {"targets": Targets("role=web", Strategy("rolling", "25%", 4))},
            ("Targets", "at once"),
            "wider",
            "4 may fail",
        ),
        ({"steps": (ASK, RESTART)}, ("Steps", "order of steps"), "changed", "another order"),
        ({"steps": (RESTART,)}, ("Gates", "ask"), "wider", "nobody is asked there any more"),
        ({"steps": (ASK,)}, ("Steps", "restart"), "narrower", "not done any more"),
        ({"steps": (ASK,), "always": (RESTART,)}, ("Steps", "restart"), "wider", "moved from steps to always"),
    ],
)
def test_each_setting_of_a_procedure(fields: dict[str, Any], row: tuple[str, str], effect: str, why: str) -> None:
    found = changed(**fields)[row]
    assert (found.effect, why in found.why) == (effect, True), found


@pytest.mark.parametrize(
    ("fields", "effect", "why"),
    [
        ({"input": {"argv": ["sudo", "systemctl", "restart"]}}, "wider", "it now says sudo"),
        ({"input": {"argv": ["/usr/bin/sudo", "id"]}}, "wider", "it now says sudo"),
        ({"input": {"argv": ["id"]}}, "changed", "another argv"),
        ({"input": {**RESTART.input, "network": True}}, "wider", "it now reaches the network"),
        ({"action": "local:command"}, "changed", "it was ssh:command"),
        ({"credentials": ("deploy", "root")}, "wider", "now uses the credential root"),
        ({"condition": "${{ environment == 'x' }}"}, "narrower", "under a condition only"),
        ({"each": "${{ targets }}"}, "wider", "once per"),
        ({"timeout_s": None}, "wider", "no limit instead of 1 min"),
        ({"timeout_s": 5}, "narrower", "5 s instead of 1 min"),
        ({"retry": Retry(5)}, "wider", "tried 5 times, 1 before"),
        ({"idempotent": True}, "wider", "done again"),
        ({"artifacts": (ArtifactNeed("dump", "dump.sql"),)}, "wider", "it now keeps the file dump"),
        ({"on_failure": "continue"}, "wider", "goes on although it failed"),
        ({"on_failure": "rollback"}, "changed", "then: rollback"),
        ({"safe_after_stop": True}, "wider", "still runs after a stop"),
    ],
)
def test_each_setting_of_a_step(fields: dict[str, Any], effect: str, why: str) -> None:
    found = step(**fields)
    assert (found.effect, why in found.why) == (effect, True), found


@pytest.mark.parametrize(
    ("name", "rules", "effect", "why"),
    [
        ("service", {"type": None}, "wider", "may now be anything"),
        ("service", {"type": ["string", "null"]}, "wider", "may now also be null"),
        ("service", {"pattern": None}, "wider", "may now be any text"),
        ("service", {"pattern": "^.*$"}, "wider", "may now be any text"),
        ("service", {"pattern": "^[a-z-]+$"}, "changed", "read both"),
        ("service", {"maxLength": 200}, "wider", "maxLength 20 characters is now 200"),
        ("service", {"maxLength": None}, "wider", "no longer holds"),
        ("service", {"minLength": 3}, "narrower", "minLength is now 3"),
        ("service", {"format": "email"}, "narrower", "must now have the format email"),
        ("service", {"default": "web"}, "changed", "left out, it is now web"),
        ("service", {"contentEncoding": "x"}, "changed", "contentEncoding changed"),
        ("grace", {"minimum": -5}, "wider", "minimum 0 is now -5"),
        ("grace", {"minimum": None}, "wider", "minimum of 0 no longer holds"),
        ("grace", {"maximum": 30}, "narrower", "maximum 300 is now 30"),
        ("level", {"enum": ["low", "mid", "high"]}, "wider", "may now also be high"),
        ("level", {"enum": ["low"]}, "narrower", "may no longer be mid"),
        ("level", {"enum": None}, "wider", "no longer from a list"),
        ("hosts", {"items": {"type": "string"}}, "wider", "each item maxLength of 5 characters no longer holds"),
        ("hosts", {"items": None}, "wider", "each item may now be anything"),
        ("more", {"additionalProperties": True}, "wider", "any other name"),
        ("more", {"properties": {"a": {}}}, "wider", "a: may now be anything"),
    ],
)
def test_each_rule_of_a_parameter(name: str, rules: dict[str, Any], effect: str, why: str) -> None:
    found = form(name, **rules)
    assert (found.effect, why in found.why) == (effect, True), found


def test_parameters_come_go_and_become_optional() -> None:
    more = changed(parameters={**FORM, "required": [], "properties": {**FORM["properties"], "new": {}}})  # type: ignore[dict-item]
    assert more["Parameters", "new"].effect == "wider"
    assert more["Parameters", "service"].why == "it may now be left out"
    less = changed(parameters={**FORM, "properties": {"service": FORM["properties"]["service"]}})  # type: ignore[index]
    assert less["Parameters", "grace"].effect == "narrower"
    conditions = changed(parameters={**FORM, "allOf": [{"if": {}, "then": {}}]})
    assert conditions["Parameters", "conditions"].effect == "changed"


def test_wording_alone_of_a_parameter_is_no_difference_of_reach() -> None:
    properties = {**FORM["properties"], "grace": {**FORM["properties"]["grace"], "title": "Seconds"}}  # type: ignore[dict-item,index]
    assert changed(parameters={**FORM, "properties": properties})["Parameters", "all"].effect == "same"


def test_gates_loosen_when_fewer_decide_or_a_condition_lets_them_be_passed_over() -> None:
    fewer = replace(ASK, input={**ASK.input, "approvers": {"operations": 1}})
    assert changed(steps=(RESTART, fewer))["Gates", "ask"].why == "2 of operations decided, now 1"
    passed = replace(ASK, condition="${{ environment == 'x' }}")
    assert changed(steps=(RESTART, passed))["Gates", "ask"].why == "it may now be passed over"
    more = replace(ASK, id="again")
    assert changed(steps=(RESTART, ASK, more))["Gates", "again"].effect == "narrower"


def test_called_procedures_are_compared_by_their_digest() -> None:
    old = replace(OLD, calls={"drain": "sha256:aa", "gone": "sha256:cc"})
    rows = against(replace(OLD, calls={"drain": "sha256:bb", "new": "sha256:dd"}), old)
    assert rows["Calls", "drain"].effect == "changed"
    assert rows["Calls", "drain"].calls == "sha256:bb"
    assert (rows["Calls", "new"].effect, rows["Calls", "gone"].effect) == ("wider", "narrower")


def test_a_file_that_a_step_uses_has_its_own_row_and_the_rest_are_counted() -> None:
    uses = replace(BASE, steps=(replace(RESTART, input={"script": "x.sh"}), ASK))
    old = replace(OLD, definition=uses)
    new = replace(old, files={"procedure.yaml": "a", "x.sh": "c", "docs/a.md": "d"})
    rows = against(new, old)
    assert rows["Files", "x.sh"].why == "other bytes; restart uses it"
    assert rows["Files", "others"].why == "1 that no step names: docs/a.md"


def test_the_risk_that_the_portal_found_is_compared() -> None:
    assert against(replace(OLD, risk="high"))["Risk", ""].effect == "wider"
    assert against(replace(OLD, risk="low"))["Risk", ""].effect == "narrower"


def test_a_first_version_is_wider_than_nothing() -> None:
    rows = {(row.area, row.name): row for row in differences(None, OLD)}
    assert rows["Credentials", "deploy"].effect == "wider"
    assert rows["Environments", ""].effect == "wider"
    assert rows["Steps", "restart"].effect == "wider"


def test_no_row_carries_a_control_bidi_or_invisible_character() -> None:
    evil = "a\u202eb\x1b[2Jc\u200bd\u3164e\u2800f\x1b[31m"
    uses = replace(RESTART, input={"argv": [evil]}, condition=evil)
    new = replace(BASE, steps=(uses, ASK), title=evil, owner=evil, environments=("staging", evil))
    for row in differences(OLD, replace(OLD, definition=new, files={evil: "x"})):
        text = "".join(asdict(row).values())
        assert not set(text) & set("\u202e\x1b\u200b\u3164\u2800"), row
    assert r"a\u202eb\x1b[2Jc" in step(input={"argv": [evil]}).after


def test_a_very_long_value_is_cut_and_says_so() -> None:
    row = step(input={"argv": ["x" * 50_000]})
    assert len(row.after) < 2_100
    assert "characters more" in row.after


@pytest.mark.parametrize(
    ("after", "effect", "why"),
    [
        ({"p": {**ONCE, "expires": "1h"}}, "changed", "kept otherwise"),
        ({"p": {**ONCE, "deliver": "readers", "classification": "personal"}}, "wider", "it goes elsewhere"),
        ({"p": {**ONCE, "value": "${{ steps.a.output.other }}"}}, "wider", "is another value"),
        ({}, "narrower", "no more"),
    ],
)
def test_where_a_secret_goes_is_a_row_of_its_own(after: dict[str, Any], effect: str, why: str) -> None:
    old = replace(OLD, definition=replace(BASE, output={"secrets": {"p": ONCE}}))
    new = replace(OLD, definition=replace(BASE, output={"secrets": after}))
    (row,) = [row for row in differences(old, new) if row.effect != "same"]
    assert (row.area, row.name, row.effect, why in row.why) == ("Secret results", "p", effect, True)
