"""H31: refusals do not fill the disk that runs need; who operates the portal is told in time, and how long it lasts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from procedures.api import evidence
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.evidence.models import Event
from procedures.evidence.queries import facts_of_kinds
from procedures.models import DenialCount, Notice, Person
from procedures.queries import storage
from procedures.services import sessions, stops, storage_alarms
from procedures.services.unit import COALESCE_ABOVE, KEPT, coalesced_denials
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary
Fill = Callable[[float], None]


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fill]:
    """Says how full the disk is: no test fills a real one."""

    def say(share: float) -> None:
        usage = shutil._ntuple_diskusage(1_000_000, int(1_000_000 * share), 1_000_000 - int(1_000_000 * share))
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        storage.forget()

    yield say
    storage.forget()


def refuse(stranger: Person, times: int) -> None:
    for _ in range(times):
        with pytest.raises(NotAllowed):
            stops.throw(actor=stranger, environment="development", reason="x", at=now())


def told(stranger: Person) -> list[Any]:
    rows = [one for one in facts_of_kinds("access.denied") if one.actor == str(stranger.subject)]
    return [one.facts.get("count", 1) for one in rows]


def test_in_the_reserve_a_flood_of_refusals_writes_no_event_and_none_is_lost(world: World, fill: Fill) -> None:
    quinn = world.person("quinn")
    fill(storage.RESERVED)
    before = Event.objects.count()
    refuse(quinn, 40)
    assert Event.objects.count() == before, "what is left is for runs"
    assert DenialCount.objects.filter(person=quinn).count() <= 2  # one a minute, whatever comes
    coalesced_denials(now() + 2 * KEPT)
    assert sum(told(quinn)) == 40
    assert len(told(quinn)) <= 2


def test_outside_the_reserve_the_first_are_told_one_by_one_and_the_rest_as_a_count(world: World, fill: Fill) -> None:
    quinn = world.person("quinn")
    fill(storage.RESERVED - 0.01)
    refuse(quinn, COALESCE_ABOVE)
    assert told(quinn) == [1] * COALESCE_ABOVE


def test_what_was_told_before_the_reserve_began_is_not_counted_twice(world: World, fill: Fill) -> None:
    quinn = world.person("quinn")
    fill(0.5)
    refuse(quinn, 3)
    fill(0.95)
    refuse(quinn, 4)
    coalesced_denials(now() + 2 * KEPT)
    assert sum(told(quinn)) == 7


def test_wrong_passwords_leave_one_event_a_minute_in_the_reserve(world: World, fill: Fill, client: Client) -> None:
    world.person("quinn")
    fill(0.95)
    for _ in range(3):
        client.post("/api/v1/session/", {"username": "quinn", "password": "guess"}, content_type="application/json")
    assert 1 <= Event.objects.filter(kind="session.refused").count() <= 2
    assert sessions.TRIES > 3


@pytest.mark.parametrize(
    ("share", "kind"), [(0.69, None), (0.70, "storage.filling"), (0.89, "storage.filling"), (0.9, "storage.reserve")]
)
def test_people_are_told_once_a_week_from_seventy_percent_on(
    world: World, fill: Fill, share: float, kind: str | None
) -> None:
    fill(share)
    assert [storage_alarms.alarm(at=now()) for _ in range(2)] == [1 if kind else 0, 0]
    assert set(Notice.objects.values_list("kind", flat=True)) & {"storage.filling", "storage.reserve"} == (
        {kind} if kind else set()
    )


def test_health_says_what_fills_up(world: World, fill: Fill, client: Client) -> None:
    fill(0.5)
    assert "storage" not in client.get("/readyz").json()
    fill(0.75)
    said = client.get("/readyz").json()
    assert said["storage"] == ["the disk of the portal's folder is 75 % full"]
    assert "opsportal_storage_used" in client.get("/metrics").content.decode()


def test_how_long_it_lasts_is_told_from_the_last_month(world: World, fill: Fill) -> None:
    fill(0.5)
    found = storage.growth(now())
    assert found.year is not None
    assert (found.year > 0, found.days) == (True, 0)  # a disk of a megabyte is full at once
    fill(0.95)
    assert storage.growth(now()).days == 0
    said = evidence._storage(now())
    assert [one["what"] for one in said["places"]] == ["the disk of the portal's folder"]
    assert said["year_bytes"] > 0
