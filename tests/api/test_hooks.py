"""Webhooks of forges: signed or refused, taken once, and nothing more than a nudge."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.models import Source
from procedures.queries.sources import secret_of
from procedures.services import sources
from tests.factories.portal import World, new_world

pytestmark = pytest.mark.ordinary

HALF = "f" * 64
SECRET = secret_of(Source(name="repo", hook_secret=HALF))
GITHUB = {"ref": "refs/heads/main", "after": "a" * 40, "pusher": {"name": "bob", "email": "bob@example.com"}}
GITLAB = {"ref": "refs/heads/main", "after": "a" * 40, "user_username": "bob", "user_email": "bob@example.com"}
GITEA = {"ref": "refs/heads/main", "after": "a" * 40, "pusher": {"login": "bob", "email": "bob@example.com"}}


@pytest.fixture
def source(db: None) -> Source:
    world: World = new_world()
    fields = {"url": "/srv/x.git", "branch": "main", "owner": world.mira, "hook_secret": HALF}
    return Source.objects.create(name="repo", since_at=now(), looked_at=now(), **fields)


def mark(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def send(said: Any, name: str = "repo", **headers: str) -> Any:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    named = {f"HTTP_{key.upper()}": value.replace("SIGNED", mark(body)) for key, value in headers.items()}
    return Client().post(f"/hooks/git/{name}", body, content_type="application/json", **named)


@pytest.mark.parametrize(
    ("said", "headers"),
    [
        (GITHUB, {"x_hub_signature_256": "sha256=SIGNED", "x_github_delivery": "1"}),
        (GITLAB, {"x_gitlab_token": SECRET, "x_gitlab_event_uuid": "1"}),
        (GITEA, {"x_gitea_signature": "SIGNED", "x_gitea_delivery": "1"}),
        ({"ref": "refs/heads/main"}, {"x_opsportal_signature": "SIGNED", "x_opsportal_delivery": "1"}),
    ],
    ids=["github", "gitlab", "gitea", "own"],
)
def test_a_signed_push_is_taken_once_and_names_its_pusher(source: Source, said: Any, headers: dict[str, str]) -> None:
    first, again = send(said, **headers), send(said, **headers)
    assert (first.status_code, first.json(), again.json()) == (202, {"taken": True}, {"taken": False})
    source.refresh_from_db()
    assert sources.due(at=now()) == ["repo"]
    if "pusher" in said or "user_email" in said:
        assert source.pushers == [{"name": "bob", "email": "bob@example.com", "after": said["after"]}]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_hub_signature_256": "sha256=" + "0" * 64},
        {"x_hub_signature_256": "sha1=SIGNED"},
        {"x_gitlab_token": "f" * 63},
        {"x_gitlab_token": "é"},
        {"x_gitea_signature": ""},
        {"x_gitea_signature": "SIGNED", "x_gitlab_token": "wrong"},
    ],
)
def test_what_is_not_signed_is_refused_and_changes_nothing(source: Source, headers: dict[str, str]) -> None:
    assert send(GITHUB, **headers).status_code == 403
    source.refresh_from_db()
    assert (source.asked_at, source.pushers) == (None, [])


def test_a_source_that_is_not_there_answers_like_a_wrong_signature(source: Source) -> None:
    missing = send(GITHUB, name="nothing", x_hub_signature_256="sha256=SIGNED")
    wrong = send(GITHUB, x_hub_signature_256="sha256=" + "0" * 64)
    assert (missing.status_code, missing.content) == (wrong.status_code, wrong.content)


def test_another_branch_asks_for_nothing(source: Source) -> None:
    send({**GITHUB, "ref": "refs/heads/evil"}, x_hub_signature_256="sha256=SIGNED", x_github_delivery="9")
    source.refresh_from_db()
    assert (source.asked_at, source.pushers) == (None, [])


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"pusher": 3, "ref": []}', b"\xff" * 50, b"[" * 5000])
def test_a_signed_body_that_says_nothing_is_still_only_a_nudge(source: Source, body: bytes) -> None:
    assert send(body, x_opsportal_signature="SIGNED").status_code == 202


def test_a_hook_answers_post_alone(source: Source) -> None:
    assert Client().get("/hooks/git/repo").status_code == 405
