"""The live list of what a procedure's filter finds, on its page and over the API: what the caller may run on."""

from __future__ import annotations

import pytest
from django.test import Client
from rest_framework.test import APIClient

from procedures.domain.clock import now
from procedures.models import Environment, Person, Version
from procedures.queries.matching import matches
from procedures.services.versions import submit_version
from tests.engine.test_runs import PROCEDURE, steps
from tests.factories.portal import World
from tests.inventories.conftest import host_key, target

pytestmark = pytest.mark.ordinary
TAIL = """  targets: {filter: "role=web and service=${{ parameters.word }}", narrow: true}
"""


@pytest.fixture
def quinn(world: World) -> Person:
    for name, tags in (
        ("web-1", {"role": "web", "service": "shop", "zone": "a"}),
        ("web-2", {"role": "web", "service": "shop", "zone": "b"}),
        ("db-1", {"role": "db", "service": "shop"}),
        ("odd", {"role": "web", "service": "shop or role=db"}),
    ):
        world.propose("target", target(name, "development", host_key(), tags=tags, trust="certificate"))
    world.confirmed("target", target("prod-1", "production", host_key(), tags={"role": "web", "service": "shop"}))
    row = "{id: one, each: '${{ targets }}', action: 'local:command', timeout: 20s, input: {argv: [echo, x]}}"
    adam = world.person("adam")
    world.may(adam, "author")
    text = PROCEDURE.format(name="looks", steps=steps(row), timeout="1m").replace(", default: x", "") + TAIL
    files = {"procedure.yaml": text.encode(), "README.md": b"x"}
    world.review(world.mira, submit_version(actor=adam, files=files, note="", at=now()), "operations")
    made = world.person("quinn")
    world.may(made, "run", procedure="looks")
    return made


def asked(who: Person, value: str | None, environment: str = "development") -> dict[str, object]:
    client = APIClient()
    client.force_login(who, backend="procedures.access.backend.PasswordBackend")
    said = {"environment": environment, "parameters": {} if value is None else {"word": value}}
    answer = client.post("/api/v1/procedures/looks/targets/", said, format="json")
    found: dict[str, object] = answer.json()
    return found | {"status": answer.status_code}


def names(found: dict[str, object]) -> list[str]:
    rows = found["targets"]
    assert isinstance(rows, list)
    return [row["name"] for row in rows]


def test_the_list_follows_what_is_typed_and_a_value_is_one_literal(quinn: Person) -> None:
    assert names(asked(quinn, "shop")) == ["web-1", "web-2"]
    assert names(asked(quinn, "shop or role=db")) == ["odd"]
    assert names(asked(quinn, "*")) == []
    waits = asked(quinn, None)
    assert (names(waits), waits["waits"]) == ([], "Fill in what the filter asks for.")


def test_the_list_shows_no_target_that_no_grant_covers(world: World, quinn: Person) -> None:
    zoe = world.person("zoe")
    assert asked(zoe, "shop")["status"] == 403
    world.may(zoe, "run", procedure="looks", environments=["development"], target_filter="zone=b")
    found = asked(zoe, "shop")
    assert (names(found), found["outside"]) == (["web-2"], 1)
    assert asked(zoe, "shop", "production")["status"] == 403
    assert asked(zoe, "shop", "nowhere")["status"] == 403
    production = Environment.objects.get(name="production")
    version = Version.objects.get(procedure__name="looks")
    assert matches(zoe, version, production, {"word": "shop"}, now()) is None


def test_the_page_tells_the_same_before_anything_is_run(quinn: Person) -> None:
    client = Client(HTTP_HOST="localhost")
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    shown = client.post("/procedures/looks/preview/", {"environment": "development", "p.word": "shop"})
    told = shown.content.decode()
    assert ("web-1" in told, "db-1" in told, "prod-1" in told) == (True, False, False)
    assert 'id="matched"' in told
    assert "Fill in what the filter asks for." in client.get("/procedures/looks/").content.decode()
