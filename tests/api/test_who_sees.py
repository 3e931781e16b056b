"""Each door that shows one thing, as a stranger, as somebody who may only view, and as another team."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from procedures.definitions.archive import pack
from procedures.domain.clock import now
from procedures.models import LogChunk, Person, Procedure, Run, Version
from procedures.runner.drive import drive
from procedures.services import drafts
from tests.api.conftest import Client
from tests.factories.portal import World, new_world
from tests.factories.repositories import PROCEDURE
from tests.factories.transitions import unevidenced
from tests.fixtures.settled import Settled
from tests.trials.hostile import bundle

pytestmark = pytest.mark.ordinary

NOWHERE = "00000000-0000-7000-8000-000000000000"
OF_A_RUN = ("", "plan/", "statement/", "tasks/", "log/", "artifacts/", "results/", "events/", f"artifacts/{NOWHERE}/")
OF_A_VERSION = ("", "files/", "comments/", "diff/", "gains/", "statement/")


@dataclass(slots=True)
class Scene:
    run: Run
    version: Version
    stranger: Person
    viewer: Person


@pytest.fixture
def scene(db: None, settled: Settled) -> Scene:
    return settled(played)


def played() -> Scene:
    world = new_world()
    world.shipped()
    version = world.accepted()
    quinn, stranger, viewer = world.person("quinn"), world.person("sam"), world.person("vera")
    world.may(quinn, "run", procedure="hello")
    world.may(viewer, "view", procedure="hello")
    world.may(stranger, "view", "run", "author", "review", procedure="disk-cleanup")
    run = world.ask(quinn)
    drive(run.id)
    run.refresh_from_db()
    assert LogChunk.objects.filter(run=run).exists()
    return Scene(run, version, stranger, viewer)


def bare(answer: Any) -> tuple[int, Any]:
    said = {k: v for k, v in answer.json().items() if k not in {"request_id", "instance", "event"}}
    return answer.status_code, said


@pytest.mark.parametrize("path", OF_A_RUN)
def test_another_teams_run_answers_as_one_that_is_not_there(scene: Scene, client_of: Client, path: str) -> None:
    client = client_of(scene.stranger)
    there = client.get(f"/api/v1/runs/{scene.run.pk}/{path}")
    assert bare(there) == bare(client.get(f"/api/v1/runs/{NOWHERE}/{path}"))
    assert there.status_code == 404


@pytest.mark.parametrize("path", OF_A_VERSION)
def test_another_teams_version_answers_as_one_that_is_not_there(scene: Scene, client_of: Client, path: str) -> None:
    client = client_of(scene.stranger)
    there = client.get(f"/api/v1/versions/{scene.version.pk}/{path}")
    assert bare(there) == bare(client.get(f"/api/v1/versions/{NOWHERE}/{path}"))
    assert there.status_code == 404


def test_who_may_view_a_run_reads_nothing_that_it_printed(scene: Scene, client_of: Client) -> None:
    client = client_of(scene.viewer)
    assert client.get(f"/api/v1/runs/{scene.run.pk}/").status_code == 200
    answer = client.get(f"/api/v1/runs/{scene.run.pk}/log/")
    assert answer.status_code == 403
    assert LogChunk.objects.filter(run=scene.run).first().text.strip() not in answer.content.decode()  # type: ignore[union-attr]
    assert client_of(scene.run.requester).get(f"/api/v1/runs/{scene.run.pk}/log/").status_code == 200


ACTS = ("withdraw/", "resubmit/", "test/", "comments/")


@pytest.mark.parametrize("act", ACTS)
def test_somebody_elses_draft_is_not_there_for_another_author(world: World, client_of: Client, act: str) -> None:
    """Ada's draft, also once it was withdrawn; Bob authors the same procedure and has come by its id."""
    ada, bob = world.person("ada"), world.person("bob")
    for one in (ada, bob):
        world.may(one, "author", "view")
    draft = drafts.submit_draft(actor=ada, files=bundle("echo fine"), note="", at=now())
    client, body = client_of(bob), {"body": "hm"} if act == "comments/" else {}
    for state in ("draft", "withdrawn"):
        with unevidenced():
            Version.objects.filter(pk=draft.pk).update(state=state)
        there = client.post(f"/api/v1/versions/{draft.pk}/{act}", body, format="json")
        assert bare(there) == bare(client.post(f"/api/v1/versions/{NOWHERE}/{act}", body, format="json")), state
        assert there.status_code == 404
    assert Version.objects.filter(procedure=draft.procedure).count() == 1


def test_a_hidden_procedure_answers_every_post_as_one_that_is_not_there(scene: Scene, client_of: Client) -> None:
    """Sam authors another procedure, and tries names: neither status nor words tell that `hello` is there."""
    Procedure.objects.filter(name="hello").update(hidden=True)
    client = client_of(scene.stranger)
    ask = {"parameter": "x", "environment": "development"}
    wish = {"procedure": "NAME", "environment": "development", "parameters": {}, "reason": "r"}
    tries: list[tuple[str, Any, str]] = [
        ("/api/v1/procedures/NAME/options/", ask, "json"),
        ("/api/v1/procedures/NAME/retire/", {"reason": "r"}, "json"),
        ("/api/v1/procedures/NAME/restore/", {"reason": "r"}, "json"),
        ("/api/v1/runs/", wish, "json"),
        ("/api/v1/versions/", None, "multipart"),
    ]
    for path, body, form in tries:
        said = []
        for name in ("hello", "hallo"):
            if body is None:
                files = {**bundle("echo fine"), "procedure.yaml": PROCEDURE.format(name=name, word="x").encode()}
                given: Any = {"bundle": SimpleUploadedFile("b.tar.gz", pack(files))}
            else:
                given = {k: v.replace("NAME", name) if isinstance(v, str) else v for k, v in body.items()}
            answer = client.post(path.replace("NAME", name), given, format=form)
            status, told = bare(answer)
            assert status in {403, 404}, (path, told)
            said.append((status, str(told).replace(name, "NAME")))
        assert said[0] == said[1], path


def test_the_editor_tells_no_name_either(scene: Scene, client_of: Client) -> None:
    Procedure.objects.filter(name="hello").update(hidden=True)
    client = client_of(scene.stranger)
    there, nowhere = (client.get(f"/procedures/{name}/edit/") for name in ("hello", "hallo"))
    assert (there.status_code, nowhere.status_code) == (403, 403)
    assert "No grant lets sam author hello." in there.content.decode()
    assert "No grant lets sam author hallo." in nowhere.content.decode()
