"""Choices on the page and at the API, and what lint says of sources."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from procedures.definitions.load import load
from procedures.definitions.registry import actions
from procedures.models import Person, Run
from procedures.runner.drive import drive
from tests.factories.portal import World
from tests.services.test_options import HEAD, both, using


def client(who: Person) -> Client:
    made = Client(HTTP_HOST="localhost")
    made.force_login(who, backend="procedures.access.backend.PasswordBackend")
    return made


def test_the_page_asks_only_when_the_button_is_pressed_and_then_binds(world: World) -> None:
    _, quinn = both(world)
    page = client(quinn)
    first = page.get("/procedures/using/").content.decode()
    assert ("Load the choices" in first, Run.objects.exists()) == (True, False)
    form = {"environment": "development", "p.team": "red", "load": "database"}
    asking = page.post("/procedures/using/", form).content.decode()
    assert "data-asking" in asking
    drive(Run.objects.get().id)
    ready = page.post("/procedures/using/fields/", {**form, "load": ""}).content.decode()
    assert '<option value="red-db1">' in ready
    assert "2 choices" in ready
    del form["load"]
    bad = page.post("/procedures/using/", {**form, "p.database": "x", "reason": "r"})
    assert (bad.status_code, "not among the choices" in bad.content.decode()) == (422, True)
    good = page.post("/procedures/using/", {**form, "p.database": "red-db1", "reason": "r"})
    assert good.status_code == 302


def test_the_api_tells_a_list_and_starts_one(world: World) -> None:
    _, quinn = both(world)
    api = client(quinn)
    body = {"environment": "development", "parameter": "database", "parameters": {"team": "red"}}

    def post(**change: Any) -> Any:
        url = "/api/v1/procedures/using/options/"
        return api.post(url, json.dumps({**body, **change}), content_type="application/json")

    assert post().json()["state"] == "asking"
    drive(Run.objects.get().id)
    found = post().json()
    assert (found["state"], found["values"], found["binds"]) == ("ready", ["red-db1", "red-db2"], True)
    assert post(parameter="team").status_code == 404


@pytest.mark.parametrize(
    "raw",
    [
        "{from: procedure, procedure: listing}",
        "{from: nowhere}",
        "{from: url}",
        "{from: catalogue, kinds: []}",
        "{from: procedure, procedure: listing, output: n, with: {t: '${{ parameters.nobody }}'}}",
        "{from: procedure, procedure: listing, output: n, with: {t: '${{ parameters.database }}'}}",
        "{from: procedure, procedure: listing, output: n, with: {t: '${{ secrets.x }}'}}",
        "{from: url, url: 'https://x/${{ run.requester }}'}",
    ],
)
def test_a_source_that_nobody_could_ask_is_told_by_lint(raw: str) -> None:
    text = HEAD.format(name="u", type="diagnostic", owner="x") + using(raw)
    found = load({"procedure.yaml": text.encode()}, actions()).findings
    assert any(f.code == "options" for f in found)
