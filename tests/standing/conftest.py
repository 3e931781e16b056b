"""A portal with a service account that may greet, whose owner Olga may greet too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from procedures import access
from procedures.domain import deliveries
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.issuer.judgement import judge_run
from procedures.issuer.replay import replay
from procedures.models import Fire, Person, Run, Standing, Version
from procedures.services import controls
from procedures.services.fires import fire_due
from tests.factories import ahead, standing
from tests.factories.portal import World, new_world
from tests.fixtures.settled import Settled

FORM = "application/json"
MINUTELY = {"cron": "* * * * *", "zone": "UTC"}


@dataclass
class Plant:
    """`robot` is the account, Olga owns it and may run the same."""

    world: World
    version: Version
    olga: Person
    robot: Person
    keys: dict[str, str] = field(default_factory=dict)

    def schedule(self, **more: Any) -> dict[str, Any]:
        return standing.schedule(str(self.robot.subject), self.version.digest, **more)

    def hook(self, **more: Any) -> dict[str, Any]:
        """One whose key Olga holds; the private half stays here."""
        private, public = deliveries.new_pair()
        made = standing.hook(str(self.robot.subject), self.version.digest, **more)
        self.keys.setdefault(made["name"], private)
        if made["proof"] == "ed25519" and not made["keys"]:
            made["keys"] = [{"key": public, "holder": str(self.olga.subject)}]
            self.keys[made["name"]] = private
        return made

    def sets(self, control: str, object: dict[str, Any], *, by: Person | None = None) -> Standing:
        """A change by Olga, in force: confirmed by Mira where that is needed."""
        change = self.world.propose(control, object, by=by or self.olga)
        if change.state == "proposed":
            signed = self.world.signed("mira", bytes(change.statement))
            controls.confirm(actor=self.world.mira, change=change.id, signature=signed, at=now())
        return Standing.objects.get(kind=control, name=object["name"])

    def send(self, body: Any, name: str = "deployed", *, at: datetime | None = None, **more: Any) -> Any:
        """A delivery, signed now by the hook's own key unless said otherwise."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        mark = more.pop("mark", f"msg_{Event.objects.count()}")
        headers = deliveries.sign(more.pop("key", None) or self.keys[name], mark, at or now(), data)
        return knock(name, data, headers | more.pop("headers", {}), **more)


def knock(name: str, data: bytes, headers: dict[str, str], kind: str = FORM) -> Any:
    sent = {f"HTTP_{key.upper().replace('-', '_')}": value for key, value in headers.items()}
    return APIClient().generic("POST", f"/hooks/{name}", data, content_type=kind, **sent)


def due(row: Standing, *, ago: timedelta = timedelta(seconds=1)) -> datetime:
    """Make a schedule's next planned moment just over, as the clock would; returns the moment of the sweep."""
    row.refresh_from_db()
    assert row.next_at is not None
    return row.next_at + ago


def swept(at: datetime) -> int:
    return fire_due(at=at)


def said(kind: str) -> list[dict[str, Any]]:
    return [json.loads(bytes(row.body)) for row in Event.objects.filter(kind=kind).order_by("id")]


def lent(run: Run, *, at: datetime | None = None) -> tuple[str, ...]:
    """What the issuer says of this run, at its request or now, whichever is later: tests sweep ahead of the clock."""
    latest = max(now(), run.requested_at, run.of_fire.at if run.of_fire else run.requested_at)
    with patch("procedures.issuer.replay.now", return_value=latest):
        return judge_run(replay(), run, parse(bytes(run.plan)), at=at or now())


def last(row: Standing) -> Fire:
    return row.fires.order_by("-planned_at", "-id")[0]


def furnished() -> Plant:
    """The plant in the database that is open now."""
    world = new_world()
    version = world.accepted()
    olga = world.person("olga", key=True)
    robot = world.account(olga, "robot")
    for who in (robot, olga):
        world.may(who, "run", "view", procedure="hello", expires_at=standing.until(29))
    cache.clear()
    return Plant(world, version, olga, robot)


@pytest.fixture
def plant(db: None, settled: Settled) -> Iterator[Plant]:
    mark = access.caller.set(None)
    cache.clear()
    yield settled(furnished)
    access.caller.reset(mark)


@pytest.fixture
def production(plant: Plant) -> Plant:
    """Staging is production here, and asks for nobody's approval."""
    rules = {"name": "staging", "title": "Staging", "position": 2, "production": True, "drafts": False}
    rules |= {"approvals": {}, "min_strength": "signed", "approval_expiry_s": 3600, "reason_required": False}
    plant.world.confirmed("environment", rules)
    for who in (plant.robot, plant.olga):
        ends = standing.until(29)
        plant.world.may(who, "run", "view", procedure="hello", environments=["staging"], expires_at=ends)
    return plant


@dataclass
class Ready:
    """The plant where staging is production, asks for an approval, and lets it be given ahead; Sam may give it."""

    plant: Plant
    sam: Person

    @property
    def world(self) -> World:
        return self.plant.world

    def settled(self, **more: Any) -> Standing:
        """A schedule of every minute, so that what tests sweep ahead of the clock is a minute ahead at most."""
        made = self.plant.schedule(environment="staging", **{"when": MINUTELY, **more})
        return self.plant.sets("schedule", made)


@pytest.fixture
def ready(production: Plant) -> Ready:
    production.world.confirmed("environment", ahead.rules())
    return Ready(production, ahead.approver(production.world))


def fired(row: Standing) -> Run:
    """The run of the next planned moment, as the sweeper asks for it a second later."""
    assert fire_due(at=due(row)) == 1
    found = last(row).run
    assert found is not None, last(row).why
    return found


__all__ = ["Plant", "Ready", "due", "fired", "furnished", "knock", "last", "lent", "said", "swept"]
