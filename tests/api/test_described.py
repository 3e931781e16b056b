"""The OpenAPI document is true: every door stands in it, with what it takes and how it answers."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import jsonschema_rs
import pytest

from procedures.api import inputs
from procedures.api.described import PROBLEM, RUN, VERSION
from procedures.api.taken import TAKES
from procedures.api.urls import urlpatterns
from procedures.models import Person
from tests.api.conftest import Client
from tests.factories.portal import World

DOORS = [
    pattern for pattern in urlpatterns if hasattr(pattern.callback, "view_class") and "v1/" in str(pattern.pattern)
]


def name_of(view: Any) -> str:
    return f"{view.__module__.rpartition('.')[2]}.{view.__name__}"


def test_each_door_takes_what_the_document_says() -> None:
    """Read from the views themselves: the shape that `post` checks is the one of the table."""
    found: dict[str, Any] = {}
    for pattern in DOORS:
        view = pattern.callback.view_class  # type: ignore[attr-defined]
        checks = re.findall(
            r"inputs\.checked\(inputs\.([A-Z]+)", inspect.getsource(getattr(view, "post", view.__init__))
        )
        found |= {name_of(view): getattr(inputs, name) for name in checks}
    assert found == dict(TAKES)


@pytest.fixture
def document(world: World, client_of: Client, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = client_of(world.mira).get("/api/schema/?format=json").json()
    assert capfd.readouterr().err == "", "nothing is guessed"
    return found


def test_every_door_stands_in_the_document_with_answers_and_refusals(document: dict[str, Any]) -> None:
    wanted = {re.sub(r"<str:(\w+)>", r"{\1}", str(p.pattern)).replace("{pk}", "{id}") for p in DOORS}
    assert {path.removeprefix("/api/") for path in document["paths"]} >= wanted
    operations = [one for path in document["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    for one in operations:
        assert "application/problem+json" in one["responses"]["default"]["content"], one["operationId"]
    schema = document["paths"]["/api/v1/reviews/"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["version", "digest", "verdict"]
    assert set(document["paths"]["/api/v1/runs/"]["post"]["responses"]) == {"201", "202", "default"}


def test_answers_have_the_described_shape(world: World, client_of: Client) -> None:
    version = world.accepted()
    quinn: Person = world.person("quinn")
    world.may(quinn, "run", "view", procedure="hello")
    client = client_of(quinn)
    wish = {"procedure": "hello", "environment": "development", "reason": "r", "parameters": {"name": "x"}}
    made = client.post("/api/v1/runs/", json.dumps(wish), content_type="application/json")
    for shape, answer in (
        (RUN, made.json()),
        (RUN, client.get(f"/api/v1/runs/{made.json()['id']}/").json()),
        (VERSION, client.get(f"/api/v1/versions/{version.pk}/").json()),
        (VERSION, client.get("/api/v1/versions/").json()["results"][0]),
        (PROBLEM, client.get("/api/v1/versions/nothing/").json()),
    ):
        problems = [str(e.message) for e in jsonschema_rs.validator_for(dict(shape)).iter_errors(answer)]
        assert problems == []
