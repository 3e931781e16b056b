"""A portal that trusts an issuer which really signs, and a service account that its workloads become."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from procedures import access
from procedures.evidence.models import Event
from procedures.models import Person
from procedures.signon import keys
from tests.factories.portal import World, new_world
from tests.fixtures import token_issuer
from tests.fixtures.settled import Settled
from tests.fixtures.token_issuer import GITHUB, Issuer

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
FORM = "application/x-www-form-urlencoded"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ONE_REPOSITORY = {name: GITHUB[name] for name in ("repository_id", "repository_owner_id", "ref", "event_name")}


@dataclass
class Plant:
    """`robot` is the account, Olga owns it; `nora` confirms what Mira proposes."""

    world: World
    issuer: Issuer
    robot: Person
    olga: Person

    def trust(self, kind: str = "github", **more: Any) -> None:
        self.world.confirmed("trusted_issuer", self.issuer.object(kind, **more))

    def rule(self, name: str = "deploy", **more: Any) -> dict[str, Any]:
        """A rule for the one repository, on its main branch, pushed to."""
        made = self.made(name, **more)
        self.world.confirmed("workload_rule", made)
        return made

    def made(self, name: str = "deploy", **more: Any) -> dict[str, Any]:
        base = {"name": name, "issuer": "ci", "account": str(self.robot.subject), "claims": ONE_REPOSITORY}
        reach = {"procedures": ["hello"], "environments": ["development", "staging"], "verbs": ["run", "view"]}
        return {**base, **reach, "seconds": 600, "action": "set", **more}

    def exchange(self, token: str, **more: str) -> Any:
        form = {"grant_type": GRANT, "subject_token": token, "subject_token_type": JWT, **more}
        sent = urlencode({name: value for name, value in form.items() if value})
        return APIClient().post("/api/v1/token/exchange/", sent, content_type=FORM)

    def as_workload(self, **more: Any) -> APIClient:
        """A client with a token that one push of the repository was given."""
        answer = self.exchange(self.issuer.token(GITHUB), **more)
        assert answer.status_code == 200, answer.content
        return APIClient(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access_token']}")


def ask(client: APIClient, environment: str = "development", procedure: str = "hello") -> Any:
    wish = {"procedure": procedure, "environment": environment, "parameters": {}, "reason": "a push"}
    return client.post("/api/v1/runs/", wish, format="json")


def said(kind: str) -> list[dict[str, Any]]:
    return [json.loads(bytes(row.body)) for row in Event.objects.filter(kind=kind).order_by("id")]


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    with token_issuer.running() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: Issuer) -> Issuer:
    """As it is on an ordinary day; nothing of it is kept from the test before."""
    running.mood, running.keys = "well", Issuer().keys
    running.asked.clear()
    keys._kept.clear()
    cache.clear()
    return running


@pytest.fixture
def plant(db: None, settled: Settled, issuer: Issuer, way_out: str) -> Iterator[Plant]:
    world, robot, olga = settled(furnished)
    mark = access.caller.set(None)
    yield Plant(world, issuer, robot, olga)
    access.caller.reset(mark)


def furnished() -> tuple[World, Person, Person]:
    world = new_world()
    world.shipped()
    world.accepted()
    olga = world.person("olga", key=True)
    robot = world.account(olga, "robot")
    world.may(robot, "run", "view", procedure="hello")
    return world, robot, olga


@pytest.fixture
def trusted(plant: Plant) -> Plant:
    """The issuer is trusted, and one rule lives."""
    plant.trust()
    plant.rule()
    return plant
