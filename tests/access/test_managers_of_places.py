"""A manager of one environment or procedure manages access there, and tries to reach further, by each door."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from procedures.access import managing
from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, NotFound
from procedures.domain.places import Place
from procedures.models import ControlChange, Grant, Person
from procedures.queries import access_requests, deciding, eligible, pages_people, pages_shell
from procedures.services import controls, people
from procedures.services.access_requests import Wish, ask_for_access
from tests.access.scene import BACKEND
from tests.factories.portal import World

pytestmark = pytest.mark.once


@pytest.fixture
def dora(world: World) -> Person:
    """Manages access in development, and nowhere else."""
    row = world.person("dora", key=True)
    world.may(row, "manage_access", environments=["development"])
    return row


def to(person: Person, *environments: str, **more: Any) -> dict[str, Any]:
    return {
        "principal": f"person:{person.subject}",
        "verbs": ["run"],
        "environments": list(environments),
        "not_before": moment(now()),
        "expires_at": moment(now() + timedelta(days=1)),
        "reason": "a test",
        **more,
    }


def offered(world: World, *names: str) -> None:
    author = world.person("writer")
    world.may(author, "author")
    for name in names:
        world.submit(author, name)


def test_a_manager_of_development_gives_access_there(world: World, dora: Person) -> None:
    tina = world.person("tina")
    assert world.propose("grant", to(tina, "development"), by=dora).state == "confirmed"


def test_a_manager_of_development_ends_nothing_by_what_takes_its_place(world: World, dora: Person) -> None:
    tina = world.person("tina")
    there = world.may(tina, "run", environments=["production"])
    with pytest.raises(NotAllowed, match="the whole portal"):
        world.propose("grant", to(tina, "development", replaces=str(there.pk)), by=dora)


@pytest.mark.parametrize("environments", [["production"], ["development", "production"], []], ids=str)
def test_a_manager_of_development_gives_nothing_that_reaches_further(
    world: World, dora: Person, environments: list[str]
) -> None:
    tina = world.person("tina")
    before = Grant.objects.count()
    with pytest.raises(NotAllowed, match=r"production|the whole portal"):
        world.propose("grant", to(tina, *environments), by=dora)
    group, _ = Group.objects.get_or_create(name="friends")
    with pytest.raises(NotAllowed):
        world.propose("grant", to(tina, *environments, principal=f"group:{group.name}"), by=dora)
    assert Grant.objects.count() == before


def test_a_manager_by_a_group_of_theirs_reaches_no_further(world: World) -> None:
    dora, tina = world.person("dora", key=True), world.person("tina")
    world.confirmed("membership", {"person": str(dora.subject), "group": "keepers", "action": "add"})
    world.may(world.mira, "manage_access", environments=["development"], principal="group:keepers")
    assert world.propose("grant", to(tina, "development"), by=dora).state == "confirmed"
    with pytest.raises(NotAllowed, match="in production"):
        world.propose("grant", to(tina, "production"), by=dora)


def test_a_manager_of_one_procedure_gives_that_one_and_no_other(world: World) -> None:
    dora, tina = world.person("dora", key=True), world.person("tina")
    offered(world, "hello", "disk-cleanup")
    world.may(dora, "manage_access", procedure="hello")
    assert world.propose("grant", to(tina, "production", procedure="hello"), by=dora).state == "confirmed"
    for more in ({"procedure": "disk-cleanup"}, {}):
        with pytest.raises(NotAllowed):
            world.propose("grant", to(tina, "production", **more), by=dora)


def test_what_is_of_the_whole_portal_is_decided_by_its_managers_alone(world: World, dora: Person) -> None:
    tina = world.person("tina")
    rules = {"title": "D", "position": 1, "production": False, "drafts": True, "approvals": {}}
    rules |= {"min_strength": "session", "approval_expiry_s": 3600, "reason_required": False}
    for control, object in (
        ("membership", {"person": str(tina.subject), "group": "security", "action": "add"}),
        ("duty", {"principal": f"person:{tina.subject}", "duty": "security", "action": "add"}),
        ("profile", {"profile": "pair"}),
        ("environment", {"name": "development", **rules}),
    ):
        with pytest.raises(NotAllowed, match="the whole portal"):
            world.propose(control, object, by=dora)
    for call in (
        lambda: people.invite_person(actor=dora, username="eve", name="Eve", email="", kind="person", at=now()),
        lambda: pages_people.one_change(dora, world.propose("profile", {"profile": "separate"}).pk, now()),
    ):
        with pytest.raises((NotAllowed, NotFound)):
            call()


def test_a_manager_of_development_ends_no_access_in_production(world: World, dora: Person) -> None:
    tina = world.person("tina")
    there, here = (
        world.may(tina, "run", environments=["production"]),
        world.may(tina, "run", environments=["development"]),
    )
    with pytest.raises(NotAllowed):
        world.propose("grant_end", {"grant": str(there.pk), "reason": "away"}, by=dora)
    world.propose("grant_end", {"grant": str(here.pk), "reason": "over"}, by=dora)
    assert {row.pk for row in Grant.objects.filter(revoked_at__isnull=False)} == {here.pk}
    assert there not in pages_people.grants(dora, now())


def test_a_manager_of_development_confirms_and_refuses_nothing_of_production(world: World, dora: Person) -> None:
    world.confirmed("profile", {"profile": "separate"})
    change = world.propose("grant", to(world.person("tina"), "production"))
    assert change.state == "proposed"
    signed = world.signed("dora", bytes(change.statement))
    with pytest.raises(NotAllowed):
        controls.confirm(actor=dora, change=change.pk, signature=signed, at=now())
    with pytest.raises(NotAllowed):
        controls.refuse(actor=dora, change=change.pk, reason="no", at=now())
    assert dora not in eligible.confirmers(change, now(), set())
    assert change not in pages_shell.confirmable(dora, now())
    assert change in pages_shell.confirmable(Person.objects.get(username="nora"), now())


def test_the_api_and_the_page_ask_the_same(world: World, dora: Person, client: Client) -> None:
    tina = world.person("tina")
    client.force_login(dora, backend=BACKEND)
    object = to(tina, "production")
    sent: dict[str, Any] = {"content_type": "application/json", "HTTP_HOST": "localhost"}
    for path, body in (
        ("/api/v1/controls/", {"control": "grant", "object": object}),
        ("/api/v1/grants/", {**object, "principal": "person:tina"}),
        ("/api/v1/grants/preview/", {**object, "principal": "person:tina"}),
    ):
        assert client.post(path, json.dumps(body), **sent).status_code == 403, path
    posted = {"object": canon(object).decode(), "next": "/access/"}
    assert client.post("/changes/grant/new/", posted, HTTP_HOST="localhost").status_code == 403
    assert not ControlChange.objects.filter(proposer=dora, control="grant").exists()
    page = client.get("/access/", HTTP_HOST="localhost").content.decode()
    assert "Give access" in page
    assert "Longest terms" not in page
    changes = client.get("/api/v1/controls/", HTTP_HOST="localhost").json()["results"]
    assert [row["object"]["environments"] for row in changes] == [["development"]]


def test_requests_go_to_whoever_manages_all_that_they_ask_for(world: World, dora: Person) -> None:
    tina = world.person("tina")
    offered(world, "hello")
    here, further = (
        ask_for_access(actor=tina, wish=Wish("hello", verbs, where, 3, "to help"), at=now())
        for verbs, where in ((["run"], ["development"]), (["view"], ["development", "production"]))
    )
    assert dora in access_requests.deciders(here, now())
    assert dora not in access_requests.deciders(further, now())
    assert access_requests.decidable(dora, now()) == [here]
    assert access_requests.may_decide(dora, here, now())
    assert not access_requests.may_decide(dora, further, now())
    assert list(access_requests.seen_by(dora, now())) == [here]


def test_one_place_and_a_list_of_them_are_answered_alike(world: World, dora: Person) -> None:
    offered(world, "hello")
    reach = managing.reach(dora, "manage_access", at=now())
    for place in (
        Place(),
        Place("hello"),
        Place("hello", ("development",)),
        Place(None, ("development",)),
        Place(None, ("development", "production")),
    ):
        alone = managing.over(dora, "manage_access", place, at=now()).allowed
        assert alone is reach.has(place) is (dora in deciding.over("manage_access", place, at=now()))
        assert alone is (place.environments == ("development",))
