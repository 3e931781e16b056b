"""Separation of duties, on every door that decides something."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.statements import TooWeak
from procedures.evidence.models import Event
from procedures.models import Approval, DutyAssignment, Environment, Membership, Person, Review
from procedures.services import approvals, controls, reviews
from procedures.services.unit import SecondPersonRequired
from tests.factories.portal import SOON, World

pytestmark = pytest.mark.ordinary


def test_author_cannot_accept_the_own_version_even_with_the_right(world: World) -> None:
    adam = world.person("adam", "operations")
    world.may(adam, "author", "review")
    version = world.submit(adam)
    with pytest.raises(SecondPersonRequired, match="you cannot review it"):
        world.review(adam, version, "operations")
    assert not Review.objects.exists()
    assert Event.objects.filter(kind="access.denied").count() == 1


def test_database_refuses_a_review_by_the_submitter(world: World) -> None:
    adam = world.person("adam")
    world.may(adam, "author")
    version = world.submit(adam)
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(
            version=version,
            reviewer=adam,
            submitter=adam,
            digest=version.digest,
            verdict="accept",
            strength="session",
            statement=b"",
            at=now(),
        )
    assert not Review.objects.exists()


def test_trigger_refuses_a_review_whose_submitter_is_a_lie(world: World) -> None:
    adam = world.person("adam")
    world.may(adam, "author")
    version = world.submit(adam)
    with pytest.raises(IntegrityError, match="cannot review"), transaction.atomic():
        Review.objects.create(
            version=version,
            reviewer=adam,
            submitter=world.mira,
            digest=version.digest,
            verdict="accept",
            strength="session",
            statement=b"",
            at=now(),
        )
    assert connection.vendor in {"sqlite", "postgresql"}


def test_requester_cannot_approve_the_own_run_even_with_the_right(world: World) -> None:
    version = world.accepted()
    quinn = world.person("quinn", "operations")
    world.may(quinn, "run", "approve", procedure="hello", environments=["staging"])
    world.propose("environment", environment("staging", approvals={"low": {"operations": 1}}))
    run = world.ask(quinn, environment="staging")
    assert run.state == "awaiting_approval"
    with pytest.raises(SecondPersonRequired, match="cannot approve"):
        approvals.decide_run(
            actor=quinn,
            run=run.id,
            verdict="approve",
            plan_digest=run.plan_digest,
            comment="",
            signature=None,
            at=now(),
        )
    assert not Approval.objects.exists()
    assert version.state == "accepted"


def test_somebody_else_approves_and_the_run_is_queued(world: World) -> None:
    world.accepted()
    quinn, petra = world.person("quinn"), world.person("petra", "operations")
    world.may(quinn, "run", procedure="hello", environments=["staging"])
    world.may(petra, "approve", "view", procedure="hello", environments=["staging"])
    world.propose("environment", environment("staging", approvals={"low": {"operations": 1}}))
    run = world.ask(quinn, environment="staging")
    after = approvals.decide_run(
        actor=petra, run=run.id, verdict="approve", plan_digest=run.plan_digest, comment="", signature=None, at=now()
    )
    assert after.state == "queued"


def test_nobody_grants_to_themselves_directly_or_through_a_group(world: World) -> None:
    mira = world.mira
    object = {
        "principal": f"person:{mira.subject}",
        "verbs": ["break_glass"],
        "environments": ["development"],
        "not_before": moment(now()),
        "expires_at": SOON,
        "reason": "mine",
    }
    with pytest.raises(SecondPersonRequired, match="Nobody grants to themselves"):
        controls.propose(actor=mira, control="grant", object=object, signature=None, at=now())
    member = {"person": str(mira.subject), "group": "everybody", "action": "add"}
    with pytest.raises(SecondPersonRequired):
        controls.propose(actor=mira, control="membership", object=member, signature=None, at=now())
    assert not Event.objects.filter(kind="control.confirmed").exists()


def test_production_wants_a_signature_and_a_session_is_too_weak(world: World) -> None:
    sven = world.person("sven")
    object = {
        "principal": f"person:{sven.subject}",
        "verbs": ["run"],
        "environments": ["production"],
        "not_before": moment(now()),
        "expires_at": SOON,
        "reason": "work",
    }
    with pytest.raises(TooWeak):
        controls.propose(actor=world.mira, control="grant", object=object, signature=None, at=now())
    statement = canon(controls.statement_for(actor=world.mira, control="grant", object=object))
    change = controls.propose(
        actor=world.mira, control="grant", object=object, signature=world.signed("mira", statement), at=now()
    )
    assert change.state == "confirmed"


def test_separate_profile_waits_for_a_confirmer_who_is_another_person(world: World) -> None:
    jonas = world.person("jonas", key=True)
    world.may(jonas, "manage_access", "operate")
    change = world.propose("profile", {"profile": "separate"})
    with pytest.raises(SecondPersonRequired):
        controls.confirm(
            actor=world.mira, change=change.id, signature=world.signed("mira", bytes(change.statement)), at=now()
        )
    done = controls.confirm(
        actor=jonas, change=change.id, signature=world.signed("jonas", bytes(change.statement)), at=now()
    )
    assert done.state == "confirmed"
    sven = world.person("sven")
    object = {
        "principal": f"person:{sven.subject}",
        "verbs": ["run"],
        "environments": ["production"],
        "not_before": moment(now()),
        "expires_at": SOON,
        "reason": "work",
    }
    assert world.propose("grant", object).state == "proposed"


def test_no_person_can_be_a_superuser(world: World) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.filter(pk=world.mira.pk).update(is_superuser=True)
    assert not Person.objects.filter(is_superuser=True).exists()


def environment(name: str, **changes: object) -> dict[str, object]:
    return {
        "name": name,
        "title": name.title(),
        "position": 2,
        "production": False,
        "drafts": False,
        "approvals": {},
        "min_strength": "session",
        "approval_expiry_s": 3600,
        "reason_required": True,
        **changes,
    }


def test_a_request_for_changes_blocks_until_its_own_reviewer_lifts_it(world: World) -> None:
    adam = world.person("adam")
    world.may(adam, "author")
    olga, sven = world.person("olga", "operations", key=True), world.person("sven", "security", key=True)
    for reviewer in (olga, sven):
        world.may(reviewer, "review")
    version = world.submit(adam)
    world.review(sven, version, verdict="request_changes", signed=True)
    world.review(olga, version, "operations", signed=True)
    version.refresh_from_db()
    assert version.state == "in_review", "one asked for changes"
    for stranger in (olga, adam):
        with pytest.raises(NotFound):
            reviews.lift(actor=stranger, version=version.id, at=now())
    with pytest.raises(NotAllowed):
        reviews.lift(actor=sven, version=version.id, at=now(), bearer=True)
    reviews.lift(actor=sven, version=version.id, at=now())
    version.refresh_from_db()
    assert version.state == "accepted"
    assert Event.objects.filter(kind="review.lifted").count() == 1


def test_each_environment_begins_with_the_strength_that_fits_it(world: World) -> None:
    strengths = dict(Environment.objects.values_list("name", "min_strength"))
    assert strengths == {"development": "session", "staging": "totp", "production": "signed"}


def test_a_version_sent_again_by_somebody_else_keeps_its_writer(world: World) -> None:
    """Olga writes; Sven sends her bytes again with one line changed, so that she could accept her own work."""
    olga, sven = world.person("olga", "operations", "security"), world.person("sven")
    world.may(olga, "author", "review")
    world.may(sven, "author")
    world.submit(olga, work__sh=b"#!/bin/sh\nset -eu\ncurl_nothing=1\necho mine\n")
    version = world.submit(sven, work__sh=b"#!/bin/sh\nset -eu\ncurl_nothing=1\necho mine, changed\n")
    assert set(version.authors.values_list("person__username", flat=True)) == {"olga", "sven"}
    with pytest.raises(SecondPersonRequired):
        world.review(olga, version, "operations", "security")


def test_what_was_accepted_meanwhile_is_nobodys_any_more(world: World) -> None:
    olga, tina = (world.person(name, "operations", key=True) for name in ("olga", "tina"))
    sven = world.person("sven")
    for one in (olga, sven, tina):
        world.may(one, "author", "review")
    world.review(tina, world.submit(olga, README__md=b"# Hers\n"), "operations", signed=True)
    version = world.submit(sven, README__md=b"# His\n")
    assert set(version.authors.values_list("person__username", flat=True)) == {"sven"}
    world.review(olga, version, "operations", signed=True)


def test_the_owner_of_a_service_account_does_not_accept_what_it_submits(world: World) -> None:
    """One person, two accounts: the robot hands in what Rob wrote, who holds every duty."""
    robot = robot_of(world)
    world.may(robot, "author", by=world.manager())
    version = world.submit(robot)
    assert set(version.authors.values_list("person__username", flat=True)) == {"robot", "rob"}
    with pytest.raises(SecondPersonRequired):
        world.review(Person.objects.get(username="rob"), version, "operations", "security", signed=True)


def test_software_decides_nothing_whoever_owns_it(world: World) -> None:
    """The robot is given the right, the duty and a session; it neither reviews nor confirms nor proposes."""
    robot, nora = robot_of(world), world.manager()
    with pytest.raises(InvalidInput, match="software is never given approve, manage_access, review"):
        world.may(robot, "review", "manage_access", "approve", by=nora)
    group, _ = Group.objects.get_or_create(name="robots")
    Membership.objects.create(person=robot, group=group, since_at=now(), added_by=world.mira)
    world.may(robot, "review", "manage_access", "approve", principal="group:robots", by=nora)
    DutyAssignment.objects.create(person=robot, duty="operations", since_at=now())
    sven = world.person("sven")
    world.may(sven, "author")
    version = world.submit(sven)
    with pytest.raises(NotAllowed, match="software"):
        world.review(robot, version, "operations")
    change = world.propose("profile", {"profile": "pair"})
    with pytest.raises(NotAllowed, match="software"):
        controls.confirm(actor=robot, change=change.pk, signature=None, at=now())
    with pytest.raises(NotAllowed, match="software"):
        controls.propose(actor=robot, control="profile", object={"profile": "pair"}, signature=None, at=now())


def robot_of(world: World) -> Person:
    """Rob's, who writes and would like to accept."""
    rob = world.person("rob", "operations", "security", key=True)
    world.may(rob, "review")
    return world.account(rob)
