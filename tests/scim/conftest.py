"""A portal that lets a provider push people over SCIM, and a caller with that directory's token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.models import DirectoryEntry, Membership, Person
from procedures.scim import door
from procedures.services import tokens
from tests.factories.directories import provider
from tests.factories.portal import World, new_world

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True)
class Directory:
    """One directory at the door, with its token."""

    secret: str

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Status, headers and the body read from JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {"HTTP_AUTHORIZATION": f"Bearer {self.secret}", **headers}
        client = Client(HTTP_HOST="localhost")
        answer = client.generic(method, f"/scim/v2{path}", data, content_type="application/scim+json", **given)
        answer.said = json.loads(answer.content) if answer.content else None
        return answer

    def user(self, username: str, **more: Any) -> dict[str, Any]:
        """Somebody new, as the directory reads them back."""
        said = {"schemas": [USER], "userName": username, "externalId": f"id-{username}"}
        answer = self("POST", "/Users", {**said, "displayName": username.title(), **more})
        assert answer.status_code == 201, answer.said
        return dict(answer.said)

    def group(self, name: str, *members: dict[str, Any]) -> dict[str, Any]:
        rows = [{"value": one["id"]} for one in members]
        answer = self("POST", "/Groups", {"schemas": [GROUP], "displayName": name, "members": rows})
        assert answer.status_code == 201, answer.said
        return dict(answer.said)

    def patch(self, path: str, *operations: dict[str, Any]) -> Any:
        return self("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})


@pytest.fixture
def world(db: None) -> World:
    door.pace = door.Pace(door.limits.DIRECTORY_CALLS_A_MINUTE)
    return new_world()


@pytest.fixture
def let_in(world: World) -> Callable[..., Directory]:
    """Let a provider push people, as two managers would, and make its token."""

    def make(name: str = "corp", **more: Any) -> Directory:
        world.confirmed("identity_provider", provider(name, **more))
        return Directory(tokens.make_directory_token(actor=world.mira, provider=name, name="x", days=30, at=now())[1])

    return make


@pytest.fixture
def corp(let_in: Callable[..., Directory]) -> Directory:
    return let_in()


def person_of(said: dict[str, Any]) -> Person:
    return DirectoryEntry.objects.get(pk=said["id"]).person


def groups_of(person: Person) -> set[str]:
    return set(Membership.objects.filter(person=person).values_list("group__name", flat=True))
