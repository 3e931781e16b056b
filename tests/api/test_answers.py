"""What the API answers beside the thing itself: once per key, too large before it is parsed, another state."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from procedures.definitions.archive import pack
from procedures.domain.clock import now
from procedures.models import IdempotencyKey, Person, Review, Version
from procedures.services.idempotency import StillUnderWay, once
from tests.api.conftest import Client
from tests.factories.portal import World
from tests.trials.hostile import bundle

pytestmark = pytest.mark.ordinary


@pytest.fixture
def adam(world: World) -> Person:
    row = world.person("adam")
    world.may(row, "author", "view")
    return row


def send(client: APIClient, script: str, key: str, note: str = "") -> Any:
    upload = SimpleUploadedFile("b.tar.gz", pack(bundle(script)))
    return client.post("/api/v1/versions/", {"bundle": upload, "note": note}, headers={"Idempotency-Key": key})


def test_a_version_sent_twice_with_one_key_is_one_and_other_bytes_need_another(adam: Person, client_of: Client) -> None:
    client = client_of(adam)
    first, again = send(client, "echo one", "k"), send(client, "echo one", "k")
    assert (first.status_code, again.status_code, first.json()["id"]) == (201, 201, again.json()["id"])
    assert {"id", "procedure", "digest", "state", "risk", "risk_reasons", "findings"} <= set(first.json())
    assert send(client, "echo two", "k").status_code == 422
    assert send(client, "echo one", "other").status_code == 409, "the same bytes stand in review"
    assert Version.objects.count() == 1


def test_a_refusal_leaves_its_key_free(adam: Person, client_of: Client) -> None:
    client = client_of(adam)
    assert send(client, "echo one", "k", note="n" * 2001).status_code == 400
    assert send(client, "echo ${{ parameters.x }}", "k").status_code == 400
    assert send(client, "echo one", "k").status_code == 201


def test_a_review_sent_twice_with_one_key_counts_once(world: World, adam: Person, client_of: Client) -> None:
    made = send(client_of(adam), "echo one", "k").json()
    data = {"version": made["id"], "digest": made["digest"], "verdict": "accept", "duties": ["operations"]}
    head = {"Idempotency-Key": "r"}
    mira = client_of(world.mira)
    answers = [
        mira.post("/api/v1/reviews/", json.dumps(data), content_type="application/json", headers=head) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert (answers[1].json()["state"], Review.objects.count()) == ("accepted", 1)
    late = mira.post("/api/v1/reviews/", json.dumps(data), content_type="application/json")
    assert late.status_code == 409
    assert late["Content-Type"] == "application/problem+json"


def test_a_request_whose_twin_is_under_way_is_not_carried_out(adam: Person) -> None:
    IdempotencyKey.objects.create(person=adam, key="k", body_sha256="x", status=0, response={}, at=now())
    with pytest.raises(StillUnderWay):
        once(person=adam, key="k", body_sha256="x", act=lambda: pytest.fail("it ran twice"), at=now())


@pytest.mark.parametrize(("path", "limit"), [("versions", 5), ("reviews", 8), ("runs", 8)])
def test_what_is_too_large_is_refused_by_its_length_before_it_is_parsed(
    adam: Person, client_of: Client, path: str, limit: int
) -> None:
    answer = client_of(adam).post(
        f"/api/v1/{path}/", "{", content_type="application/json", CONTENT_LENGTH=str(limit * 2**20 + 70_000)
    )
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:opsportal:problem:request.too-large"
    assert f"{limit} MiB" in answer.json()["detail"]
