"""The shipped policies: their own Rego tests, and each of them both ways on documents as the product makes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from procedures.domain.definition import Definition, Step, Strategy, Targets
from procedures.domain.policies import Decision, PolicySet, in_force
from procedures.policy import documents, shipped, testing
from procedures.policy.decisions import read, source_of
from procedures.policy.documents import Person, Place
from procedures.policy.evaluator import RESIDENT
from tests.factories.policies import ours
from tests.factories.sides import BASE

AT = datetime(2026, 12, 24, 12, 30, tzinfo=UTC)  # a Thursday
PRODUCTION = Place("staging", production=True, targets=10)
GOOD = replace(BASE, description="Restarts the web servers one by one.", tags=("web",))
BOUND = {"environment": "staging", "name": "deploy", "provider": "ssh-key", "role": "deploy", "reach": {}}
CALLING = Step("call", "Call", "http:request", {"url": "https://Api.Example.com:8443/v1?x=${{ parameters.a }}"})
ANYWHERE = Step("call", "Call", "http:request", {"url": "${{ parameters.url }}"})
LISTED = Step("call", "Call", "local:script", {"script": "x.sh", "egress": ["api.example.com:443"]})
LOOSE = replace(BASE.steps[0], on_failure="continue")


def version(definition: Definition, risk: str = "low", **more: Any) -> tuple[Any, ...]:
    facts = {"number": 1, "digest": "d", "risk": risk, "risk_reasons": [], "calls": []}
    bindings = [{**BOUND, **more}]
    return "submit", lambda policies: documents.version_document(
        definition,
        facts=facts,
        files={"procedure.yaml": 100, "README.md": 10},
        places=[PRODUCTION],
        bindings=bindings,
        submitter=Person("s", "person"),
        now=documents.clock(AT, policies),
    )


def request(stage: str = "request", reason: str = "CHG-12", targets: int = 1) -> tuple[Any, ...]:
    rows = [{"name": f"t{n}", "tags": {"role": "web"}, "trust": "key"} for n in range(targets)]

    def made(policies: PolicySet) -> dict[str, Any]:
        return documents.request_document(
            GOOD,
            version={"digest": "d", "risk": "low"},
            place=PRODUCTION,
            requester=Person("q", "person", ("dev",)),
            door="web",
            reason=reason,
            parameters={"service": "web"},
            secrets=[],
            targets=rows,
            now=documents.clock(AT, policies),
        )

    return stage, lambda policies: {**made(policies), "stage": stage, "plan": {"steps": []}}


def test_every_rego_test_of_ours_holds_and_each_policy_has_some() -> None:
    results = testing.run(shipped.FOLDER)
    assert not [row for row in results if not row.passed]
    assert {Path(row.file).name for row in results} == {f"{name}_test.rego" for name in shipped.policies()}


def test_a_test_that_does_not_hold_or_cannot_be_evaluated_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.rego").write_text('package p\n\ndeny contains "input" if input.a > 1\n')
    (tmp_path / "p_test.rego").write_text(
        'package p\n\ntest_a if deny == {"input"} with input as {"a": 2}\n\ntest_b if 1 == 2\n'
    )
    (tmp_path / "q_test.rego").write_text("package q\n\ntest_c if {\n")
    results = {row.test: (row.passed, row.told) for row in testing.run(tmp_path)}
    assert results["test_a"] == (True, "")
    assert results["test_b"] == (False, "does not hold")
    assert results["test_c"][0] is False
    assert results["test_c"][1] not in {"", "does not hold"}


@pytest.mark.parametrize("name", shipped.policies())
def test_settings_are_described_and_the_defaults_fit(name: str) -> None:
    one = shipped.policies()[name]
    jsonschema_rs.validator_for(dict(one.schema)).validate(ours(name)["settings"])
    assert all(rules.get("title") for rules in one.schema["properties"].values())
    assert one.description.endswith(".")


FINE = [
    ("naming", version(GOOD), {}),
    ("ownership", version(GOOD), {"tags": ["web"]}),
    ("time-limit", version(GOOD), {}),
    ("failures", version(GOOD), {}),
    ("root-in-production", version(GOOD), {}),
    ("root-in-production", version(GOOD, role="root"), {"batch": 25}),
    ("network-hosts", version(replace(GOOD, steps=(CALLING,))), {"hosts": ["*.example.com"]}),
    ("network-hosts", version(replace(GOOD, steps=(LISTED,))), {"hosts": ["*.example.com"]}),
    ("ticket", request(), {}),
    ("working-hours", request(), {"zone": "Europe/Berlin"}),
    ("working-hours", request("plan"), {"zone": "Asia/Tokyo", "until": "21:31"}),
    (
        "freeze-windows",
        request("plan"),
        {"windows": [{"from": "2026-12-24T12:31Z", "until": "2027-01-01T00:00Z", "why": "x"}]},
    ),
    ("blast-radius", request("plan", targets=4), {}),
    ("more-reviewers", version(GOOD), {}),
]
NOT = [
    ("naming", version(replace(GOOD, name="Re_start")), {}, "does not match"),
    ("ownership", version(replace(GOOD, owner="me")), {}, "no owner"),
    ("ownership", version(GOOD), {"tags": ["cost"]}, "lacks the tag cost"),
    ("time-limit", version(replace(GOOD, timeout_s=90_000)), {}, "1500 minutes"),
    ("failures", version(replace(GOOD, steps=(LOOSE,))), {}, "restart goes on"),
    ("root-in-production", version(GOOD, role="root"), {"batch": 24}, "deploy reaches root in staging"),
    (
        "root-in-production",
        version(replace(GOOD, targets=Targets("a=b", Strategy())), reach={"sudo": "all"}),
        {},
        "root",
    ),
    (
        "network-hosts",
        version(replace(GOOD, steps=(CALLING,))),
        {"hosts": ["example.com"]},
        "speaks to api.example.com",
    ),
    ("network-hosts", version(replace(GOOD, steps=(ANYWHERE,))), {"hosts": ["*"]}, "only known when it runs"),
    ("network-hosts", version(replace(GOOD, steps=(LISTED,))), {"hosts": ["*.example.org"]}, "api.example.com"),
    ("ticket", request(reason="please"), {}, "names no ticket"),
    ("working-hours", request(), {"zone": "Asia/Tokyo"}, "not between 08:00 and 17:00 in Asia/Tokyo"),
    ("working-hours", request(), {"zone": "Nowhere/Else"}, "not between"),
    (
        "freeze-windows",
        request(),
        {"windows": [{"from": "2026-12-24T12:30Z", "until": "2027-01-01T00:00Z", "why": "x"}]},
        "x",
    ),
    ("blast-radius", request("plan", targets=6), {"percent": 59}, "60 % of staging"),
]


MORE = [
    ("blast-radius", request("plan", targets=5), {}, {"security": 1}),
    ("more-reviewers", version(GOOD, risk="high"), {"duty": "compliance", "people": 2}, {"compliance": 2}),
]


@pytest.fixture(scope="module")
def every() -> PolicySet:
    """Each case's policy under a name of its own, so that one child knows them all."""
    rows = [(f"case-{number}", row[0], row[2]) for number, row in enumerate([*FINE, *NOT, *MORE])]
    return in_force([ours(shipped_name, **settings) | {"name": name} for name, shipped_name, settings in rows])


def said(every: PolicySet, row: tuple[Any, ...]) -> Decision:
    name = f"case-{[*FINE, *NOT, *MORE].index(row)}"
    one = next(policy for policy in every.policies if policy.name == name)
    stage, made = row[1]
    alone = replace(every, policies=(one,))
    answers = RESIDENT.ask(every.digest, [source_of(policy) for policy in every.policies], [name], made(every))
    assert alone.concerned(stage, ["staging"])
    return read(one, answers[0], AT)


@pytest.mark.parametrize("row", FINE, ids=lambda row: row[0])
def test_what_keeps_to_a_policy_passes(every: PolicySet, row: tuple[Any, ...]) -> None:
    found = said(every, row)
    assert (found.denied, dict(found.required)) == ((), {})


@pytest.mark.parametrize("row", NOT, ids=lambda row: row[0])
def test_what_does_not_is_refused_in_words(every: PolicySet, row: tuple[Any, ...]) -> None:
    denied = said(every, row).denied
    assert any(row[3] in found.message for found in denied), denied
    assert {found.rule for found in denied} == {"deny"}, "none of them could not be evaluated"


@pytest.mark.parametrize("row", MORE, ids=lambda row: row[0])
def test_from_a_share_or_a_risk_on_more_people_are_asked(every: PolicySet, row: tuple[Any, ...]) -> None:
    assert said(every, row).required == row[3]


def test_no_document_holds_a_secret_or_what_a_form_hides() -> None:
    schema = {"properties": {"pin": {"type": "string", "ui:widget": "password"}, "file": {"format": "data-url"}}}
    found = documents.given(schema, {"pin": "hunter2", "file": "/bundle/f", "n": 1.5}, {"file": {"sha256": "s"}})
    assert found == {"pin": {"masked": True}, "file": {"file": {"sha256": "s"}}, "n": {"decimal": "1.5"}}


def test_a_target_list_of_thousands_stays_small_and_its_marks_whole() -> None:
    rows = [{"name": f"t{n:04}", "tags": {"rack": f"r{n % 7}"}, "trust": "key"} for n in range(5000)]
    found = documents.reached(rows, Place("a", production=False, targets=5001))
    assert (found["count"], found["percent"], len(found["names"])) == (5000, 100, 200)
    assert found["tags"] == {"rack": [f"r{n}" for n in range(7)]}
