"""Service accounts: somebody owns each, stands behind what it asks for, and gains from what it is given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from rest_framework.test import APIClient

from procedures import access
from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.gains import gains_from
from procedures.domain.ids import uuid7
from procedures.evidence.models import Event
from procedures.issuer.replay import replay
from procedures.models import ApiToken, DutyAssignment, Environment, Grant, Membership, Person, Run
from procedures.services import approvals, controls, leavers, sessions, tokens
from procedures.services.unit import SecondPersonRequired
from tests.factories.agents import new_agent
from tests.factories.portal import PASSWORD, SOON, World


@pytest.fixture
def rob(world: World) -> Person:
    world.accepted()
    return world.person("rob", "operations", key=True)


@pytest.fixture
def robot(world: World, rob: Person) -> Person:
    row = world.account(rob)
    world.may(row, "run", "view")
    return row


def test_an_account_has_a_person_as_owner_and_only_managers_make_one(world: World, rob: Person) -> None:
    with pytest.raises(NotAllowed):
        world.account(rob, "bot", by=world.person("quinn", key=True))
    robot = world.account(rob, "bot")
    with pytest.raises(InvalidInput, match="owner"):
        world.account(robot, "bot-2")
    with pytest.raises(SecondPersonRequired, match="you would gain"):
        world.account(world.mira, "bot-3")
    said = json.loads(bytes(Event.objects.get(kind="person.made", actor=world.mira.subject).body))
    assert (said["kind"], said["owner"]) == ("service", str(rob.subject))
    assert replay().owners == {str(robot.subject): {str(rob.subject)}}


def test_in_separate_a_second_manager_confirms_who_owns_an_account(world: World, rob: Person) -> None:
    world.confirmed("profile", {"profile": "separate"})
    made = {"account": str(uuid7()), "username": "bot", "name": "Bot", "owner": str(rob.subject)}
    change = world.propose("service_account", made)
    assert change.state == "proposed"
    assert not Person.objects.filter(username="bot").exists()
    signed = world.signed("nora", bytes(change.statement))
    nora = Person.objects.get(username="nora")
    controls.confirm(actor=nora, change=change.id, signature=signed, at=now())
    assert Person.objects.get(username="bot").owner == rob
    assert replay().accounts[made["account"]]["stands"]


def test_whoever_left_meanwhile_is_given_no_software_and_none_of_theirs_works_again(
    world: World, rob: Person, robot: Person
) -> None:
    agent = new_agent(world, rob)
    world.confirmed("profile", {"profile": "separate"})
    nora = Person.objects.get(username="nora")
    named = {"owner": str(rob.subject), "name": "Renamed"}
    rows = [
        world.propose("service_account", {"account": str(robot.subject), "username": robot.username, **named}),
        world.propose("agent", {"agent": str(agent.subject), "username": agent.username, "runs_an_hour": 10, **named}),
    ]
    leavers.close_person(actor=world.mira, person=rob.subject, at=now())
    for change in rows:
        signed = world.signed("nora", bytes(change.statement))
        with pytest.raises(InvalidInput, match="owner"):
            controls.confirm(actor=nora, change=change.id, signature=signed, at=now())
    assert not Person.objects.filter(owner=rob, is_active=True).exists()


def test_whoever_left_meanwhile_joins_no_group_and_takes_no_duty(world: World, rob: Person) -> None:
    world.confirmed("profile", {"profile": "separate"})
    who = str(rob.subject)
    Group.objects.create(name="ops")
    rows = [
        world.propose("membership", {"person": who, "group": "ops", "action": "add"}),
        world.propose("duty", {"principal": f"person:{who}", "duty": "security", "action": "add"}),
    ]
    leavers.close_person(actor=world.mira, person=rob.subject, at=now())
    for change in rows:
        signed = world.signed("nora", bytes(change.statement))
        nora = Person.objects.get(username="nora")
        with pytest.raises(InvalidInput, match="no open account"):
            controls.confirm(actor=nora, change=change.id, signature=signed, at=now())
    assert not Membership.objects.filter(person=rob).exists()
    assert not DutyAssignment.objects.filter(person=rob, ended_at__isnull=True).exists()


def test_two_changes_for_one_name_make_one_account(world: World, rob: Person) -> None:
    world.confirmed("profile", {"profile": "separate"})
    named = {"username": "bot", "name": "Bot", "owner": str(rob.subject)}
    first, second = (world.propose("service_account", {"account": str(uuid7()), **named}) for _ in range(2))
    nora = Person.objects.get(username="nora")
    controls.confirm(actor=nora, change=first.id, signature=world.signed("nora", bytes(first.statement)), at=now())
    with pytest.raises(InvalidInput, match="is taken"):
        controls.confirm(
            actor=nora, change=second.id, signature=world.signed("nora", bytes(second.statement)), at=now()
        )


def test_an_account_signs_in_nowhere_even_with_a_password(world: World, robot: Person, rf: Any) -> None:
    robot.set_password(PASSWORD)
    robot.save(update_fields=["password"])
    with pytest.raises(sessions.WrongPassword):
        sessions.open_session(rf.post("/login/"), username="robot", password=PASSWORD, at=now())
    client = Client()
    client.force_login(robot)
    assert client.get("/settings/").status_code == 302


def test_software_never_reviews_approves_or_manages_whatever_it_was_given(world: World, robot: Person) -> None:
    with pytest.raises(InvalidInput, match="software is never given"):
        world.may(robot, "review", "approve", "manage_access", "break_glass")
    for verb in ("review", "approve", "manage_access", "break_glass"):
        decision = access.decide(robot, verb, at=now())
        assert not decision.allowed
        assert "software" in decision.reason


def test_nobody_gives_rights_to_an_account_of_their_own(world: World, rob: Person, robot: Person) -> None:
    """Rob manages access too; giving his robot rights, or owning one that has them, would be giving them to himself."""
    world.may(rob, "manage_access")
    wanted = {
        "principal": f"person:{robot.subject}",
        "verbs": ["run"],
        "environments": [],
        "not_before": moment(now()),
        "expires_at": SOON,
        "reason": "mine",
    }
    statement = canon(controls.statement_for(actor=rob, control="grant", object=wanted))
    before = Grant.objects.count()
    with pytest.raises(SecondPersonRequired):
        controls.propose(actor=rob, control="grant", object=wanted, signature=world.signed("rob", statement), at=now())
    with pytest.raises(SecondPersonRequired):
        world.account(rob, by=rob)
    assert Grant.objects.count() == before


def test_the_issuer_too_counts_the_owner_among_those_who_gain(world: World, rob: Person, robot: Person) -> None:
    """The service is passed by: an event of a grant to the robot that Rob alone signed gives nothing in production."""
    authority = replay()
    gains = gains_from("grant", {"principal": f"person:{robot.subject}"}, authority, at=moment(now()))
    assert gains == {str(robot.subject), str(rob.subject)}


def waiting(world: World, robot: Person, rob: Person) -> Run:
    """What the robot asks for by its token waits for an approver; Rob holds right and duty."""
    Environment.objects.filter(name="development").update(approvals={"low": {"operations": 1}})
    world.may(rob, "approve", "view")
    _, secret = tokens.make_token(actor=rob, name="nightly", days=1, person=robot.subject, at=now())
    wish = {"procedure": "hello", "environment": "development", "parameters": {}, "reason": "r"}
    asked = APIClient(HTTP_AUTHORIZATION=f"Bearer {secret}").post("/api/v1/runs/", wish, format="json")
    assert asked.status_code == 202, asked.content
    return Run.objects.get(pk=asked.json()["id"])


def test_the_owner_approves_nothing_that_the_account_asked_for_at_any_door(
    world: World, robot: Person, rob: Person
) -> None:
    run = waiting(world, robot, rob)
    chain = {(link.person.username, link.role) for link in run.chain.select_related("person")}
    assert chain == {("robot", "requester"), ("rob", "owner"), ("rob", "token_maker")}
    with pytest.raises(SecondPersonRequired):
        approvals.decide_run(
            actor=rob,
            run=run.pk,
            verdict="approve",
            plan_digest=run.plan_digest,
            comment="",
            signature=world.signed(
                "rob", canon(approvals.statement_for(actor=rob, run=run, verdict="approve", at=now()))
            ),
            at=now(),
        )
    page, rest = Client(), APIClient()
    for client in (page, rest):
        client.force_login(rob, backend="procedures.access.backend.PasswordBackend")
    posted = {"verdict": "approve", "plan_digest": run.plan_digest}
    assert "behind this request" in page.get(f"/approvals/{run.pk}/").content.decode()
    assert page.post(f"/approvals/{run.pk}/", posted).status_code == 403
    answer = rest.post(f"/api/v1/runs/{run.pk}/approve/", {"plan_digest": run.plan_digest}, format="json")
    assert (answer.status_code, "behind the request" in answer.json()["detail"]) == (403, True)
    assert not run.approvals.exists()


def test_whoever_made_the_token_before_the_account_changed_hands_stands_behind_its_runs(
    world: World, robot: Person, rob: Person
) -> None:
    run = waiting(world, robot, rob)
    nora = world.person("nora")
    world.account(nora)
    assert run.chain.filter(person=rob).exists()
    assert not ApiToken.objects.filter(person=robot, revoked_at__isnull=True).exists()


def test_whoever_gave_an_account_away_gains_nothing_by_it_any_more(world: World, rob: Person, robot: Person) -> None:
    """Rob manages access too: what he could not give to his robot he can give once it is Nora's, and it stands."""
    world.may(rob, "manage_access")
    with pytest.raises(SecondPersonRequired):
        world.may(robot, "run", by=rob)
    nora = world.person("nora")
    world.account(nora)
    assert replay().owners[str(robot.subject)] == {str(nora.subject)}
    grant = world.may(robot, "run", by=rob)
    assert replay().grants[str(grant.pk)]["stands"]


def test_no_form_makes_an_account_of_a_person_or_renames_one(world: World, rob: Person, robot: Person) -> None:
    for wrong, where in (
        ({"account": str(rob.subject), "username": "rob"}, "/object/account"),
        ({"account": str(robot.subject), "username": "other"}, "/object/account"),
        ({"account": str(uuid7()), "username": "robot"}, "/object/username"),
    ):
        with pytest.raises(InvalidInput) as refused:
            world.propose("service_account", {"name": "X", "owner": str(rob.subject), **wrong})
        assert [pointer for pointer, _ in refused.value.problems] == [where]
    assert robot.kind == Person.Kind.SERVICE


def test_the_page_makes_an_account_and_gives_it_away_as_changes(world: World, rob: Person) -> None:
    page = Client()
    page.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    shown = page.get("/people/").content.decode()
    assert "/changes/service_account/new/" in shown
    posted = {"account": str(uuid7()), "username": "bot", "name": "Bot", "owner": str(rob.subject)}
    answer = page.post("/changes/service_account/new/", posted)
    assert answer.status_code == 200
    assert "The service account Bot belongs to Rob" in answer.content.decode()
