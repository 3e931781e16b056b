"""The lead of a space gives access inside the limits that security set, and tries to reach further."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from procedures.access.decision import decide
from procedures.answers.drift import drift
from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.models import Grant, Membership, Person, Procedure, Space
from procedures.queries import access_requests, eligible, pages_shell, spaces
from procedures.queries.deciding import OutsideSpace
from procedures.services import access_answers, controls
from procedures.services.access_requests import Wish, ask_for_access
from procedures.services.unit import SecondPersonRequired
from tests.access.scene import BACKEND
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase
from tests.services.test_deputies import at_once

pytestmark = pytest.mark.once


def of(*leads: Person | str, **more: Any) -> dict[str, Any]:
    return {
        "name": "payments",
        "title": "Payments",
        "leads": [lead if isinstance(lead, str) else f"person:{lead.subject}" for lead in leads],
        "procedures": ["hello"],
        "environments": ["staging", "production"],
        "verbs": ["run", "view", "approve"],
        "days": 30,
        "risk": "low",
        "action": "set",
        **more,
    }


def to(person: Person, **more: Any) -> dict[str, Any]:
    return {
        "principal": f"person:{person.subject}",
        "verbs": ["run"],
        "procedure": "hello",
        "environments": ["production"],
        "not_before": moment(now()),
        "expires_at": moment(now() + timedelta(days=7)),
        "reason": "on call",
        **more,
    }


@pytest.fixture
def world(db: None) -> World:
    made = new_world()
    made.accepted()
    return made


@pytest.fixture
def lena(world: World) -> Person:
    row = world.person("lena", key=True)
    assert world.propose("space", of(row)).state == "confirmed"
    return row


def test_a_lead_gives_and_ends_access_inside_the_limits(world: World, lena: Person) -> None:
    tina = world.person("tina")
    change = world.propose("grant", to(tina), by=lena)
    assert change.state == "confirmed"
    hello = Procedure.objects.get(name="hello")
    assert decide(tina, "run", at=now(), procedure=hello).allowed
    assert drift(now()) == []
    Space.objects.update(days=365)
    assert [(one.kind, one.what) for one in drift(now())] == [("space", "payments")]
    world.propose("grant_end", {"grant": str(change.pk), "reason": "over"}, by=lena)
    assert not decide(tina, "run", at=now(), procedure=hello).allowed


@pytest.mark.parametrize(
    ("more", "pointer", "limit"),
    [
        ({"verbs": ["run", "author"]}, "/object/verbs", "gives author; the space payments gives run, view, approve"),
        ({"environments": ["development"]}, "/object/environments", "staging, production"),
        ({"environments": []}, "/object/environments", "staging, production"),
        ({"expires_at": moment(now() + timedelta(days=40))}, "/object/expires_at", "30 days"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_lead_gives_nothing_beyond_a_limit_and_is_told_which(
    world: World, lena: Person, more: dict[str, Any], pointer: str, limit: str
) -> None:
    with pytest.raises(OutsideSpace) as told:
        world.propose("grant", to(world.person("tina"), **more), by=lena)
    assert [at for at, why in told.value.problems if limit in why] == [pointer]
    assert not Grant.objects.filter(granted_by=lena).exists()


def test_a_lead_gives_nothing_of_higher_risk(world: World, lena: Person) -> None:
    world.confirmed("space", of(lena, procedures=["hello"], risk="low"))
    Procedure.objects.get(name="hello").versions.update(risk="high")
    with pytest.raises(OutsideSpace, match="is of high risk; the space payments gives low at most"):
        world.propose("grant", to(world.person("tina")), by=lena)


def test_a_lead_decides_nothing_else(world: World, lena: Person) -> None:
    tina = world.person("tina")
    central = world.may(tina, "view", environments=["production"])
    for control, object in (
        ("grant", {name: value for name, value in to(tina).items() if name != "procedure"}),
        ("grant", to(tina, replaces=str(central.pk))),
        ("grant_end", {"grant": str(central.pk), "reason": "away"}),
        ("membership", {"person": str(tina.subject), "group": "security", "action": "add"}),
        ("space", of(tina, days=365)),
        ("space", of(lena, action="end")),
    ):
        with pytest.raises(NotAllowed):
            world.propose(control, object, by=lena)


def test_a_lead_gives_nothing_to_themselves_or_a_group_of_theirs(world: World, lena: Person) -> None:
    group = Group.objects.create(name="payments")
    Membership.objects.create(person=lena, group=group, since_at=now(), added_by=world.mira)
    for principal in (f"person:{lena.subject}", "group:payments"):
        with pytest.raises(SecondPersonRequired, match="Nobody grants to themselves"):
            world.propose("grant", to(lena, principal=principal), by=lena)


def test_a_space_is_never_set_by_its_lead_though_they_manage_access(world: World) -> None:
    nora = world.manager()
    with pytest.raises(SecondPersonRequired):
        world.propose("space", of(nora, days=365), by=nora)
    world.confirmed("membership", {"person": str(nora.subject), "group": "payers", "action": "add"})
    with pytest.raises(SecondPersonRequired):
        world.propose("space", of("group:payers"), by=nora)


def test_where_two_people_are_asked_for_another_lead_or_a_manager_confirms(world: World, lena: Person) -> None:
    omar, tina = world.person("omar", key=True), world.person("tina")
    world.confirmed("profile", {"profile": "separate"})
    world.confirmed("space", of(lena, omar))
    change = world.propose("grant", to(tina), by=lena)
    assert change.state == "proposed"
    assert omar in eligible.confirmers(change, now(), set())
    assert change in pages_shell.confirmable(omar, now())
    signed = world.signed("omar", bytes(change.statement))
    assert controls.confirm(actor=omar, change=change.pk, signature=signed, at=now()).state == "confirmed"


def test_narrower_limits_end_nothing_and_show_what_lies_outside(world: World, lena: Person) -> None:
    world.propose("grant", to(world.person("tina")), by=lena)
    world.confirmed("space", of(lena, verbs=["view"], days=1))
    (shown,) = spaces.shown(lena, now())
    ((grant, outside),) = [row for row in shown.given if row[0].granted_by == lena]
    assert grant.revoked_at is None
    assert len(outside) == 2
    world.confirmed("space", of(lena, action="end"))
    assert spaces.led_by(lena) == []
    with pytest.raises(NotAllowed):
        world.propose("grant", to(world.person("uma")), by=lena)


def test_what_is_asked_for_inside_the_limits_goes_to_the_leads_too(world: World, lena: Person) -> None:
    tina = world.person("tina")
    inside = ask_for_access(actor=tina, wish=Wish("hello", ["run"], ["production"], 7, "on call"), at=now())
    beyond = ask_for_access(actor=tina, wish=Wish("hello", ["view"], ["production"], 90, "longer"), at=now())
    assert {lena, world.mira} <= set(access_requests.deciders(inside, now()))
    assert lena not in access_requests.deciders(beyond, now())
    assert access_requests.decidable(lena, now()) == [inside]
    object = access_requests.asked_of(inside).grant(now())
    statement = canon(controls.statement_for(actor=lena, control="grant", object=object))
    row, _ = access_answers.grant_request(
        actor=lena, request=inside.pk, object=object, signature=world.signed("lena", statement), at=now()
    )
    assert row.state == "granted"


def test_a_space_owns_what_is_labelled_and_its_leads_sign_no_such_labels(world: World) -> None:
    lena, nora, tina = world.person("lena", key=True), world.manager(), world.person("tina")
    world.propose("space", of(lena, nora, procedures=[], labels=["payments"]))
    with pytest.raises(NotAllowed):
        world.propose("grant", to(tina), by=lena)
    with pytest.raises(SecondPersonRequired, match="would gain"):
        world.propose("labels", {"procedure": "hello", "labels": ["payments"]}, by=nora)
    world.confirmed("labels", {"procedure": "hello", "labels": ["payments", "nightly"]})
    assert world.propose("grant", to(tina), by=lena).state == "confirmed"
    assert drift(now()) == []
    world.confirmed("labels", {"procedure": "hello", "labels": []})
    with pytest.raises(NotAllowed):
        world.propose("grant", to(world.person("uma")), by=lena)
    with pytest.raises(InvalidInput, match="name one, or labels"):
        world.propose("space", of(lena, procedures=[]))


def test_runs_are_given_on_the_targets_of_the_space_alone(world: World, lena: Person) -> None:
    world.confirmed("space", of(lena, targets=["team=payments", "team=payments role=web"]))
    tina = world.person("tina")
    for text in ("team=other", "team=payments or team=other"):
        with pytest.raises(OutsideSpace, match="must be one of the space payments: team=payments; team=payments role"):
            world.propose("grant", to(tina, target_filter=text), by=lena)
    with pytest.raises(OutsideSpace):
        world.propose("grant", to(tina), by=lena)
    asked = ask_for_access(actor=tina, wish=Wish("hello", ["run"], ["production"], 7, "on call"), at=now())
    assert lena in access_requests.deciders(asked, now())
    assert access_requests.decidable(lena, now()) == [asked]
    world.propose("grant", to(tina, target_filter="team=payments role=web"), by=lena)
    world.propose("grant", to(tina, verbs=["view"]), by=lena)
    for text, why in (("team=", "comes a value"), ("team=${{ parameters.x }}", "names a parameter")):
        with pytest.raises(InvalidInput, match=why):
            world.propose("space", of(lena, targets=[text]))


def test_a_space_holds_so_many_grants_at_once_whoever_gave_them(world: World, lena: Person) -> None:
    world.confirmed("space", of(lena, at_once=2))
    first = world.propose("grant", to(world.person("tina")), by=lena)
    world.may(world.person("uma"), "view", procedure="hello", environments=["production"])
    with pytest.raises(OutsideSpace, match="holds 2 grants at once"):
        world.propose("grant", to(world.person("vera")), by=lena)
    world.propose("grant_end", {"grant": str(first.pk), "reason": "over"}, by=lena)
    assert world.propose("grant", to(Person.objects.get(username="vera")), by=lena).state == "confirmed"
    assert world.propose("grant", to(world.person("wim"))).state == "confirmed", "managers of the portal are not bound"


def test_two_leads_at_once_give_the_last_grant_once(fresh_database: FreshDatabase) -> None:
    world = new_world()
    world.accepted()
    lena, omar = world.person("lena", key=True), world.person("omar", key=True)
    world.propose("space", of(lena, omar, at_once=1))
    wanted = [(lena, to(world.person("tina"))), (omar, to(world.person("uma")))]
    acts = [lambda who=who, made=made: world.propose("grant", made, by=who).state for who, made in wanted]
    assert at_once(*acts) == ["confirmed", "space.outside-its-limits"]


def test_the_page_and_the_api_are_for_leads_and_managers(world: World, lena: Person, client: Client) -> None:
    world.propose("grant", to(world.person("tina")), by=lena)
    world.confirmed("space", of(lena, days=1))
    for person, sees in ((lena, True), (world.mira, True), (world.person("uma"), False)):
        client.force_login(person, backend=BACKEND)
        answers = [client.get(path, HTTP_HOST="localhost") for path in ("/access/spaces/", "/api/v1/spaces/")]
        assert [one.status_code for one in answers] == ([200, 200] if sees else [403, 403])
        assert (
            "Outside today&#x27;s limits" in answers[0].content.decode()
            or "Outside today's" in answers[0].content.decode()
        ) is sees
        assert ("/access/spaces/" in client.get("/access/", HTTP_HOST="localhost").content.decode()) is sees
    client.force_login(world.mira, backend=BACKEND)
    form = {**of(lena), "labels": "payments\n", "targets": "team=a\nteam=b", "at_once": "9", "next": "/access/spaces/"}
    assert (
        "may give run, view, approve"
        in client.post("/changes/space/new/", form, HTTP_HOST="localhost").content.decode()
    )
