"""The doors: pages, API and command line show what was used to whoever may see it, and lead to less of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from procedures.models import Grant, Manuscript, Person
from tests.factories.portal import World
from tests.narrowing.using import FEW, grant_lines, lines, ran

OLD = ("host", "old.example.com")


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person, backend="procedures.access.backend.PasswordBackend")
    return client


def body(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_tab_shows_the_lines_and_begins_a_version_with_its_note(
    world: World, adam: Person, quinn: tuple[Person, Grant], port: int
) -> None:
    empty = body(browser(adam).get("/procedures/look/?tab=use"))
    assert "0 runs since" in empty
    assert "Begin a version" not in empty
    ran(world, quinn[0], FEW)
    client = browser(adam)
    page = body(client.get("/procedures/look/?tab=use"))
    assert f"old.example.com:{port}" in page
    assert "Not used" in page
    assert "never all that happened" in page
    answer = client.post("/procedures/look/narrow/", {"line": [lines(adam)[OLD].id]})
    assert (answer.status_code, answer["Location"]) == (302, "/procedures/look/edit/")
    editor = body(client.get("/procedures/look/edit/"))
    assert "Rests on observation sha256:" in editor
    assert "- old.example.com" not in editor.split("narrowed:")[0].split("egress:")[1]
    theirs = body(browser(quinn[0]).get("/procedures/look/?tab=use"))
    assert "Begin a version" not in theirs


def test_what_cannot_be_seen_is_told_by_no_door(world: World, adam: Person, quinn: tuple[Person, Grant]) -> None:
    """A stranger, a grant of somebody else, a token, a line that is not offered."""
    ran(world, quinn[0], FEW)
    stranger = browser(world.person("stranger"))
    for path in ("/api/v1/procedures/look/use/", f"/api/v1/grants/{quinn[1].pk}/use/", f"/access/{quinn[1].pk}/use/"):
        assert stranger.get(path).status_code == 404, path
    assert "old.example.com" not in body(stranger.get("/procedures/look/?tab=use"))
    assert stranger.post("/procedures/look/narrow/", {"line": ["x"]}).status_code == 403
    wrong = browser(adam).post("/procedures/look/narrow/", {"line": ["000000000000"]})
    assert wrong.status_code >= 400
    assert "can be left out" in body(wrong)
    assert not Manuscript.objects.exists()


def test_the_api_tells_the_same_and_hands_out_a_patch(world: World, adam: Person, quinn: tuple[Person, Grant]) -> None:
    ran(world, quinn[0], FEW)
    client = browser(adam)
    found = client.get("/api/v1/procedures/look/use/").json()
    assert (found["runs"], found["partial"]) == (FEW, False)
    (line,) = [row for row in found["results"] if row["what"].startswith("old.")]
    assert (line["verdict"], line["can_go"]) == ("unused", True)
    made = client.post("/api/v1/procedures/look/narrow/", {"lines": [line["id"]]}, content_type="application/json")
    assert made.status_code == 201, made.content
    assert found["digest"][:7] == "sha256:"
    assert "-          - old.example.com" in made.json()["patch"]
    assert made.json()["observation"] in made.json()["note"]


def test_the_page_of_an_access_leads_to_a_smaller_one_that_is_signed(world: World, quinn: tuple[Person, Grant]) -> None:
    person, grant = quinn
    ran(world, person, FEW)
    client = browser(world.mira)
    page = body(client.get(f"/access/{grant.pk}/use/"))
    assert f"{FEW} runs on 1 day" in page
    assert "asked for by 1 person" in page
    line = grant_lines(world.mira, grant)["environment", "staging"]
    offered = body(client.post(f"/access/{grant.pk}/use/", {"line": [line.id]}))
    assert "observation sha256:" in offered
    assert 'name="object"' in offered
    assert f"/access/{grant.pk}/use/" in body(client.get("/access/"))
    own = body(browser(person).get(f"/access/{grant.pk}/use/"))
    assert "Look at the smaller access" not in own
    assert browser(person).post(f"/access/{grant.pk}/use/", {"line": [line.id]}).status_code == 403
    made = client.post(f"/api/v1/grants/{grant.pk}/narrower/", {"lines": [line.id]}, content_type="application/json")
    assert made.json()["object"]["environments"] == ["development"]


def test_the_command_line_shows_and_narrows(
    world: World, adam: Person, quinn: tuple[Person, Grant], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from opsportal.cli import use

    ran(world, quinn[0], FEW)
    people = {"now": browser(adam)}

    def ask(method: str, path: str, data: Any = None, **_: Any) -> Any:
        more = {"data": json.dumps(data), "content_type": "application/json"} if data is not None else {}
        answer = getattr(people["now"], method.lower())(path, **more)
        assert answer.status_code < 300, answer.content
        return answer.json()

    monkeypatch.setattr(use, "ask", ask)
    shown = CliRunner().invoke(use.use, ["procedure", "look"])
    assert shown.exit_code == 0, shown.output
    (row,) = [row for row in shown.output.splitlines() if "host old.example.com" in row]
    patch = tmp_path / "less.patch"
    done = CliRunner().invoke(use.use, ["procedure", "look", "--leave-out", row.split()[0], "-o", str(patch)])
    assert done.exit_code == 0, done.output
    assert "observation sha256:" in done.output
    assert "old.example.com" in patch.read_text()
    people["now"] = browser(world.mira)
    shown = CliRunner().invoke(use.use, ["access", str(quinn[1].pk)])
    assert "environment staging" in shown.output
