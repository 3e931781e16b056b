"""A procedure and the facts around it, from which tests of the semantic diff change one thing at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from procedures.domain.definition import Concurrency, CredentialNeed, Definition, Step, Strategy, Targets
from procedures.domain.difference import Bound, Difference, Side
from procedures.domain.differences import differences

FORM = {
    "type": "object",
    "required": ["service"],
    "additionalProperties": False,
    "properties": {
        "service": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 20},
        "grace": {"type": "integer", "minimum": 0, "maximum": 300, "default": 30},
        "level": {"enum": ["low", "mid"]},
        "hosts": {"type": "array", "items": {"type": "string", "maxLength": 5}},
        "more": {"type": "object", "additionalProperties": False, "properties": {"a": {"type": "string"}}},
    },
}
RESTART = Step(
    "restart", "Restart", "ssh:command", {"argv": ["systemctl", "restart", "web"]}, ("deploy",), timeout_s=60
)
ASK = Step("ask", "Ask", "gate:approval", {"message": "Go on?", "approvers": {"operations": 2}})
BASE = Definition(
    name="restart",
    title="Restart",
    description="",
    owner="group:default/a",
    type="operation",
    risk="moderate",
    environments=("staging",),
    steps=(RESTART, ASK),
    parameters=FORM,
    secrets={"properties": {"token": {"type": "string"}}},
    targets=Targets("role=web", Strategy("rolling", "25%", 1)),
    credentials={"deploy": CredentialNeed("deploy", "ssh", {"account": "deploy", "tables": ["a"]}, 600)},
    concurrency=Concurrency("one"),
    timeout_s=900,
    evidence={"retention": "7y", "controls": ["soc2:CC8.1"]},
)
TARGETS = [{"name": f"web-{n}", "environment": "staging", "tags": {"role": "web"}} for n in range(8)]
TARGETS += [{"name": f"db-{n}", "environment": "staging", "tags": {"role": "db"}} for n in range(3)]
TARGETS += [{"name": "prod-1", "environment": "production", "tags": {"role": "web"}}]
BOUND = Bound("staging", "deploy", "ssh-certificate", "deploy", 600, {}, {})
OLD = Side(BASE, "moderate", {"procedure.yaml": "a", "x.sh": "b"}, {}, TARGETS, [BOUND])


def against(new: Side, old: Side = OLD) -> dict[tuple[str, str], Difference]:
    return {(row.area, row.name): row for row in differences(old, new)}


def changed(**fields: Any) -> dict[tuple[str, str], Difference]:
    """The rows of a definition with other fields, all else being as it was."""
    return against(replace(OLD, definition=replace(BASE, **fields)))


def step(**fields: Any) -> Difference:
    return changed(steps=(replace(RESTART, **fields), ASK))["Steps", "restart"]


def form(name: str, **rules: Any) -> Difference:
    """The row of a parameter whose rules are changed; None takes a rule away."""
    merged = {**FORM["properties"][name], **rules}  # type: ignore[index]
    kept = {key: value for key, value in merged.items() if value is not None}
    properties = {**FORM["properties"], name: kept}  # type: ignore[dict-item]
    return changed(parameters={**FORM, "properties": properties})["Parameters", name]
