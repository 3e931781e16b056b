"""Forty bad inputs: each names its field by JSON pointer, and nothing at all is stored."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile

from procedures.definitions.archive import pack, read_folder
from procedures.models import Person
from tests.api.conftest import Client
from tests.factories.portal import RUNBOOKS, SOON, World, new_world
from tests.fixtures.settled import Settled

pytestmark = pytest.mark.ordinary

RUN = {"procedure": "hello", "environment": "staging", "reason": "r", "parameters": {"name": "x"}}
GRANT = {
    "principal": "person:mira",
    "verbs": ["run"],
    "environments": ["staging"],
    "expires_at": SOON,
    "reason": "r",
}
REVIEW = {"version": "00000000-0000-7000-8000-000000000000", "digest": "sha256:x", "verdict": "accept"}
PERSON = {"username": "new", "name": "New"}

BAD_RUNS: list[tuple[Any, str]] = [
    ([], ""),
    ("x", ""),
    ({}, "/procedure"),
    ({"procedure": "hello"}, "/environment"),
    ({**RUN, "x": 1}, "/x"),
    ({**RUN, "procedure": 5}, "/procedure"),
    ({**RUN, "procedure": ""}, "/procedure"),
    ({**RUN, "reason": ""}, "/reason"),
    ({**RUN, "reason": "a\x00"}, "/reason"),
    ({**RUN, "reason": "r" * 2001}, "/reason"),
    ({**RUN, "reason": 7}, "/reason"),
    ({**RUN, "parameters": []}, "/parameters"),
    ({**RUN, "parameters": {"name": ""}}, "/parameters/name"),
    ({**RUN, "parameters": {"name": 5}}, "/parameters/name"),
    ({**RUN, "parameters": {"nam": "x"}}, "/parameters/nam"),
    ({**RUN, "parameters": {"name": "x" * 101}}, "/parameters/name"),
    ({**RUN, "parameters": {"name": "a\x00"}}, "/parameters/name"),
    ({**RUN, "parameters": {"name": {"a": 1}}}, "/parameters/name"),
    ({**RUN, "parameters": {"name": None}}, "/parameters/name"),
    ({**RUN, "secrets": {"t": "x"}}, "/secrets/t"),
    ({**RUN, "secrets": {"t": 1}}, "/secrets/t"),
    ({**RUN, "targets": ["web-01"]}, "/targets"),
    ({**RUN, "targets": "web"}, "/targets"),
    ({**RUN, "digest": "abc"}, "/digest"),
    ({**RUN, "environment": "production"}, "/environment"),
]
BAD_GRANTS: list[tuple[Any, str]] = [
    ({**GRANT, "principal": "person:nobody"}, "/principal"),
    ({**GRANT, "principal": "mira"}, "/principal"),
    ({**GRANT, "verbs": []}, "/verbs"),
    ({**GRANT, "verbs": ["fly"]}, "/object/verbs/0"),
    ({**GRANT, "reason": ""}, "/reason"),
    ({**GRANT, "expires_at": "tomorrow"}, "/object/expires_at"),
    ({**GRANT, "expires_at": "2001-01-01T00:00:00.000000Z"}, "/object/expires_at"),
    ({**GRANT, "environments": ["mars"]}, "/object/environments/0"),
    ({**GRANT, "procedure": "nope"}, "/object/procedure"),
    ({**GRANT, "target_filter": "role~"}, "/object/target_filter"),
]
BAD_PEOPLE: list[tuple[Any, str]] = [
    ({**PERSON, "username": "a b"}, "/username"),
    ({**PERSON, "username": "mira"}, "/username"),
    ({**PERSON, "name": " "}, "/name"),
    ({**PERSON, "kind": "robot"}, "/kind"),
]
BAD_REVIEWS: list[tuple[Any, str]] = [
    ({**REVIEW, "version": "x"}, "/version"),
    ({**REVIEW, "duties": "operations"}, "/duties"),
]
CASES = (
    [("/api/v1/runs/", *case) for case in BAD_RUNS]
    + [("/api/v1/grants/", *case) for case in BAD_GRANTS]
    + [("/api/v1/people/", *case) for case in BAD_PEOPLE]
    + [("/api/v1/reviews/", *case) for case in BAD_REVIEWS]
)


def rows() -> dict[str, int]:
    return {model._meta.label: model._default_manager.count() for model in apps.get_models()}


@pytest.fixture
def ready(db: None, settled: Settled) -> tuple[Person, Person]:
    """Somebody who may run hello, so that a refusal is about the input alone; Mira for the rest."""
    return settled(both)


def both() -> tuple[Person, Person]:
    world = new_world()
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    return quinn, world.mira


def test_there_are_forty_of_them() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize(("url", "data", "pointer"), CASES, ids=range(len(CASES)))
def test_a_bad_input_names_its_field_and_stores_nothing(
    ready: tuple[Person, Person], client_of: Client, url: str, data: Any, pointer: str
) -> None:
    client = client_of(ready["runs" not in url])
    before = rows()
    answer = client.post(url, json.dumps(data), content_type="application/json")
    body = answer.json()
    assert answer.status_code == 400, body
    assert answer["Content-Type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in body["errors"]], body
    assert body["next_step"]
    assert body["request_id"]
    assert body["type"].startswith("urn:opsportal:problem:")
    assert rows() == before


def test_a_refusal_repeats_no_secret(world: World, client_of: Client) -> None:
    """Not what a form of secrets refuses, and not what is no text at all: terminals and CI logs keep answers."""
    adam = world.person("adam")
    world.may(adam, "author", "run")
    shape = b"{type: string, title: Token, pattern: '^tok-'}"
    text = (RUNBOOKS / "hello" / "procedure.yaml").read_bytes()
    text = text.replace(
        b"  parameters:", b"  secrets: {schema: {properties: {token: " + shape + b"}}}\n  parameters:", 1
    )
    world.review(world.mira, world.submit(adam, procedure__yaml=text), "operations", "security", signed=True)
    for given in ("canary-77b1", 7714711, ["canary-77b1"]):
        data = json.dumps({**RUN, "environment": "development", "secrets": {"token": given}})
        answer = client_of(adam).post("/api/v1/runs/", data, content_type="application/json")
        assert (answer.status_code, [row["pointer"] for row in answer.json()["errors"]]) == (400, ["/secrets/token"])
        assert b"canary" not in answer.content
        assert b"7714711" not in answer.content
    answer = client_of(adam).post(
        "/api/v1/session/", json.dumps({"username": "x", "password": 7714711}), content_type="application/json"
    )
    assert b"7714711" not in answer.content


def tarball(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.type, entry.linkname = (len(data) if kind == tarfile.REGTYPE else 0), kind, "/etc/passwd"
        tar.addfile(entry, io.BytesIO(data))
    return raw.getvalue()


def hello(**changes: bytes) -> bytes:
    return pack({**read_folder(RUNBOOKS / "hello"), "procedure.yaml": changes["yaml"]})


YAML = (RUNBOOKS / "hello" / "procedure.yaml").read_bytes()
BAD_BUNDLES = {
    "not an archive": (b"nonsense", "/bundle"),
    "a path outside": (tarball("../x"), "/bundle"),
    "an absolute path": (tarball("/etc/x"), "/bundle"),
    "a symlink": (tarball("x", kind=tarfile.SYMTYPE), "/bundle"),
    "a device": (tarball("x", kind=tarfile.CHRTYPE), "/bundle"),
    "no definition": (tarball("x"), "/bundle/procedure.yaml"),
    "a bomb": (gzip.compress(b"\0" * 20_000_000), "/bundle"),
    "an anchor": (hello(yaml=YAML.replace(b"name: hello", b"name: &a hello")), "/bundle/procedure.yaml"),
    "an unknown action": (hello(yaml=YAML.replace(b"local:script", b"local:magic")), "/bundle/procedure.yaml"),
    "an unknown key": (hello(yaml=YAML.replace(b"risk: low", b"risk: low\n  colour: red")), "/bundle/procedure.yaml"),
    "a missing script": (hello(yaml=YAML.replace(b"hello.sh", b"gone.sh")), "/bundle/procedure.yaml"),
}


@pytest.mark.parametrize("name", BAD_BUNDLES)
def test_a_bad_bundle_is_refused_whole(world: World, client_of: Client, name: str) -> None:
    data, pointer = BAD_BUNDLES[name]
    client = client_of(world.mira)
    before = rows()
    answer = client.post("/api/v1/versions/", {"bundle": SimpleUploadedFile("b.tar.gz", data)}, format="multipart")
    assert answer.status_code == 400, answer.json()
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert rows() == before


def test_unseen_and_not_existing_answer_alike(world: World, client_of: Client) -> None:
    world.accepted()
    stranger = client_of(world.person("max"))
    answers = []
    for procedure in ("hello", "no-such-procedure"):
        answer = stranger.post(
            "/api/v1/runs/", json.dumps({**RUN, "procedure": procedure}), content_type="application/json"
        )
        body = {k: v for k, v in answer.json().items() if k not in {"request_id", "event"}}
        answers.append((answer.status_code, json.dumps(body).replace(procedure, "NAME")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 403


def test_the_same_key_and_body_give_the_same_run_and_another_body_is_refused(
    ready: tuple[Person, Person], client_of: Client
) -> None:
    client = client_of(ready[0])

    def post(data: Any) -> Any:
        return client.post(
            "/api/v1/runs/", json.dumps(data), content_type="application/json", headers={"Idempotency-Key": "k1"}
        )

    first, second, third = post(RUN), post(RUN), post({**RUN, "reason": "other"})
    assert (first.status_code, first.json()["id"]) == (201, second.json()["id"])
    assert third.status_code == 422


def test_the_api_describes_itself(world: World, client_of: Client) -> None:
    client = client_of(world.mira)
    assert client.get("/api/schema/?format=json").json()["openapi"].startswith("3.1")
    assert client.get("/api/schema/procedure.v1.json").json()["title"] == "OpsPortal procedure"
