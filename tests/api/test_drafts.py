"""Drafts and a version's own tests over REST: what each door says, and to whom."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from procedures.definitions.archive import pack
from procedures.domain.clock import now
from procedures.services import versions
from tests.factories.portal import World, new_world
from tests.trials.hostile import bundle


@pytest.fixture
def world(db: None) -> World:
    return new_world()


def client(person: Any) -> APIClient:
    found = APIClient()
    found.force_login(person, backend="procedures.access.backend.PasswordBackend")
    return found


def post(http: APIClient, *, draft: bool) -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    upload = SimpleUploadedFile("b.tar.gz", pack(bundle("echo fine")))
    return http.post("/api/v1/versions/", {"bundle": upload, "draft": "true" if draft else "false"})


def test_a_draft_is_told_to_its_author_and_to_nobody_else(world: World) -> None:
    adam, eve = world.person("adam"), world.person("eve")
    world.may(adam, "author", "view")
    world.may(eve, "author", "view", "run", "review", "audit")
    mine, other = client(adam), client(eve)
    made = post(mine, draft=True)
    assert (made.status_code, made.json()["state"], made.json()["tests"]["state"]) == (201, "draft", "waiting")
    place = f"/api/v1/versions/{made.json()['id']}/"
    for http, code, count in ((mine, 200, 1), (other, 404, 0)):
        assert http.get(place).status_code == code
        assert len(http.get("/api/v1/versions/").json()["results"]) == count
        assert len(http.get("/api/v1/procedures/hostile/").json()["versions"]) == count
        assert http.get(place + "files/").status_code == code
    wish = {"procedure": "hostile", "environment": "development", "draft": True}
    refused = other.post("/api/v1/runs/", wish, format="json")
    assert (refused.status_code, refused.json()["type"].endswith("draft.none")) == (409, True)
    asked = mine.post("/api/v1/runs/", wish, format="json")
    assert (asked.status_code, asked.json()["draft"], asked.json()["state"]) == (201, True, "queued")
    elsewhere = mine.post("/api/v1/runs/", {**wish, "environment": "staging"}, format="json")
    assert (elsewhere.status_code, "draft.not-here" in elsewhere.json()["type"]) == (403, True)


def test_a_version_tells_its_tests_and_a_reviewer_may_have_them_run_again_once_they_ended(world: World) -> None:
    adam = world.person("adam")
    world.may(adam, "author")
    version = versions.submit_version(actor=adam, files=bundle("echo fine"), note="", at=now())
    http = client(world.mira)
    found = http.get(f"/api/v1/versions/{version.id}/").json()
    assert (found["tests"]["state"], found["trials"][0]["digest"]) == ("waiting", version.digest)
    again = http.post(f"/api/v1/versions/{version.id}/test/")
    assert (again.status_code, "trial.under-way" in again.json()["type"]) == (409, True)
