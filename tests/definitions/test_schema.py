"""The published schema, judged by a validator that is not ours: runbooks pass, each mistake is found in its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from django.test import Client

from opsportal.cli.linting import schema as schema_command
from procedures.definitions import guard, registry
from procedures.definitions.published import published

RUNBOOKS = sorted((Path(__file__).resolve().parents[2] / "runbooks").glob("*/procedure.yaml"))
SCHEMA = published(registry.actions())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def restart() -> Any:
    place = next(path for path in RUNBOOKS if path.parent.name == "restart-service")
    return guard.load(place.read_bytes()).value


def test_the_schema_is_a_schema_of_2020_12() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"].endswith("/schema/procedure.v1.json")


@pytest.mark.parametrize("place", RUNBOOKS, ids=lambda path: path.parent.name)
def test_every_runbook_is_valid(place: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(guard.load(place.read_bytes()).value)] == []


Spoil = Callable[[Any], object]
STEP = "/spec/steps/0"


def put(*path: str | int) -> Callable[[Any], Spoil]:
    """Put a value at a path of the document."""

    def value_of(value: Any) -> Spoil:
        def spoil(document: Any) -> None:
            for part in path[:-1]:
                document = document[part]
            document[path[-1]] = value

        return spoil

    return value_of


def drop(*path: str | int) -> Spoil:
    def spoil(document: Any) -> None:
        for part in path[:-1]:
            document = document[part]
        del document[path[-1]]

    return spoil


MISTAKES: list[tuple[str, Spoil, str]] = [
    ("another version of the format", put("apiVersion")("opsportal/v2"), "/apiVersion"),
    ("another kind", put("kind")("Template"), "/kind"),
    ("a name with capitals", put("metadata", "name")("Restart"), "/metadata/name"),
    ("a title that is a number", put("metadata", "title")(5), "/metadata/title"),
    ("a key that nobody knows", put("spec", "colour")("red"), "/spec"),
    ("no owner", drop("spec", "owner"), "/spec"),
    ("an unknown type", put("spec", "type")("opera"), "/spec/type"),
    ("an unknown risk", put("spec", "risk")("some"), "/spec/risk"),
    ("no environment", put("spec", "environments")([]), "/spec/environments"),
    ("an environment twice", put("spec", "environments")(["a", "a"]), "/spec/environments"),
    ("a timeout without unit", put("spec", "timeout")("15"), "/spec/timeout"),
    ("no steps", put("spec", "steps")([]), "/spec/steps"),
    ("an unknown action", put("spec", "steps", 0, "action")("ssh:magic"), f"{STEP}/action"),
    ("a step's key that nobody knows", put("spec", "steps", 0, "inputs")({}), STEP),
    ("an input's key that the action does not take", put("spec", "steps", 0, "input", "scrip")("x"), f"{STEP}/input"),
    ("an input of another type", put("spec", "steps", 0, "input", "script")(5), f"{STEP}/input/script"),
    ("an input that lacks what the action needs", drop("spec", "steps", 0, "input", "script"), f"{STEP}/input"),
    ("no input where one is needed", drop("spec", "steps", 0, "input"), STEP),
    ("an unknown onFailure", put("spec", "steps", 0, "onFailure")("shrug"), f"{STEP}/onFailure"),
    ("too many attempts", put("spec", "steps", 0, "retry")({"attempts": 99}), f"{STEP}/retry/attempts"),
    ("a backoff of nothing", put("spec", "steps", 0, "retry")({"backoff": 0}), f"{STEP}/retry/backoff"),
    ("two credentials of a step", put("spec", "steps", 0, "credentials")(["a", "b"]), f"{STEP}/credentials"),
    ("a batch over the whole", put("spec", "targets", "strategy", "batch")("101%"), "/spec/targets/strategy/batch"),
    ("a ramp without batches", put("spec", "targets", "strategy")({"ramp": 2}), "/spec/targets/strategy"),
    (
        "a ramp that shrinks",
        put("spec", "targets", "strategy")({"mode": "rolling", "ramp": 1}),
        "/spec/targets/strategy/ramp",
    ),
    ("a canary over the whole", put("spec", "targets", "strategy", "canary")("101%"), "/spec/targets/strategy/canary"),
    ("an unknown order", put("spec", "targets", "strategy", "order")("age"), "/spec/targets/strategy/order"),
    (
        "an unknown onConflict",
        put("spec", "concurrency")({"group": "a", "onConflict": "x"}),
        "/spec/concurrency/onConflict",
    ),
    ("a tier that is no sandbox", put("spec", "sandbox")({"minTier": "D"}), "/spec/sandbox/minTier"),
    ("a sandbox that asks for nothing", put("spec", "sandbox")({}), "/spec/sandbox"),
    ("a parameter that is a text", put("spec", "parameters", "properties", "x")("text"), "/spec/parameters"),
    ("a hint that is no text", put("spec", "parameters", "properties", "x")({"ui:help": 5}), "/spec/parameters"),
    ("an unknown strategy", put("spec", "targets", "strategy", "mode")("all"), "/spec/targets/strategy/mode"),
    (
        "a gate's approvers of no duty",
        put("spec", "steps", 0)({"action": "gate:approval", "input": {"message": "x", "approvers": {"friends": 1}}}),
        f"{STEP}/input/approvers",
    ),
]


@pytest.mark.parametrize(("what", "spoil", "pointer"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_each_mistake_is_found_in_its_place(what: str, spoil: Spoil, pointer: str) -> None:
    document = copy.deepcopy(restart())
    spoil(document)
    found = ["".join(f"/{part}" for part in error.absolute_path) for error in VALIDATOR.iter_errors(document)]
    assert pointer in found


def test_there_are_twenty_mistakes() -> None:
    assert len(MISTAKES) >= 20


def test_a_whole_expression_may_stand_for_a_number() -> None:
    document = restart()
    document["spec"]["steps"] = [
        {"action": "local:command", "input": {"argv": ["ls"], "network": "${{ parameters.service == 'x' }}"}}
    ]
    assert list(VALIDATOR.iter_errors(document)) == []


def test_it_is_published_without_signing_in_and_printed_without_a_portal(db: None) -> None:
    published_there = Client().get("/schema/procedure.v1.json")
    assert published_there.status_code == 200
    assert published_there.json() == json.loads(CliRunner().invoke(schema_command).stdout)
