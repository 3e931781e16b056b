"""Somebody leaves: from that instant nothing of theirs works, what waits ends, and what needs an owner is named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.auth.models import Group
from django.test import Client
from rest_framework.test import APIClient

from procedures import access
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.domain.sshkeys import fingerprint
from procedures.domain.statements import BadSignature
from procedures.evidence.models import Event
from procedures.evidence.queries import authority_facts, facts_of_run
from procedures.issuer.approvals import after_leaving
from procedures.issuer.replay import replay
from procedures.models import (
    ControlChange,
    DutyAssignment,
    EnrolledKey,
    Grant,
    Membership,
    OpenSession,
    Person,
    ProcedureUserPermission,
    Run,
    Runner,
    Source,
)
from procedures.services import claims, controls, leavers, tokens
from procedures.services.leavers import LastManager
from procedures.services.signing import check_signature
from tests.factories.portal import World, public_text


@pytest.fixture
def quinn(world: World) -> Person:
    """Works here: rights, a group, a duty, a key, a session, tokens, an account, a source."""
    world.accepted()
    quinn = world.person("quinn", "operations", key=True)
    world.may(quinn, "run", "view", "author", "review", procedure="hello")
    Group.objects.create(name="ops")
    world.confirmed("membership", {"person": str(quinn.subject), "group": "ops", "action": "add"})
    robot = world.account(quinn)
    world.may(robot, "run")
    Source.objects.create(name="repo", since_at=now(), url="/srv/x.git", branch="main", owner=quinn, hook_secret="f")
    return quinn


def said(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(Event.objects.get(kind=kind).body))
    return found


def test_everything_ends_in_one_transaction_and_one_event_counts_it(world: World, quinn: Person) -> None:
    robot = Person.objects.get(username="robot")
    _, own = tokens.make_token(actor=quinn, name="ci", days=1, at=now())
    _, robots = tokens.make_token(actor=quinn, name="ci", days=1, person=robot.subject, at=now())
    page = Client()
    page.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    assert page.get("/").status_code == 200
    proposed = canon(controls.statement_for(actor=quinn, control="key", object=(wish := key_of(quinn))))
    assert proposed
    controls.propose(actor=quinn, control="key", object=wish, signature=None, at=now())
    version = world.submit(world_author(world), README__md=b"# new\n")
    world.review(quinn, version, "operations", verdict="request_changes", signed=True)

    with pytest.raises(NotAllowed):
        leavers.close_person(actor=quinn, person=world.mira.subject, at=now())
    leavers.close_person(actor=world.mira, person=quinn.subject, at=now())

    fact = said("person.closed")
    assert fact["ended"] == {
        "sessions": 1,
        "tokens": 1,
        "grants": 1,
        "memberships": 1,
        "duties": 1,
        "keys": 1,
        "code_apps": 0,
        "deputies": 0,
        "proposals": 1,
        "reviews": 1,
    }
    assert (fact["accounts"], fact["sources"]) == ([str(robot.subject)], ["repo"])
    assert page.get("/").status_code == 302
    for secret in (own, robots):
        assert APIClient(HTTP_AUTHORIZATION=f"Bearer {secret}").get("/api/v1/me/").status_code == 401
    assert not Grant.objects.filter(person=quinn, revoked_at__isnull=True).exists()
    assert not ProcedureUserPermission.objects.filter(user=quinn).exists()
    assert not Membership.objects.filter(person=quinn).exists()
    assert not DutyAssignment.objects.filter(person=quinn, ended_at__isnull=True).exists()
    assert not EnrolledKey.objects.filter(person=quinn, revoked_at__isnull=True).exists()
    assert not OpenSession.objects.filter(person=quinn, ended_at__isnull=True).exists()
    assert ControlChange.objects.get(proposer=quinn, control="key", object=wish).state == "refused"
    assert version.reviews.get(reviewer=quinn).lifted_at is not None
    quinn.refresh_from_db()
    assert not access.decide(quinn, "run", at=now()).allowed
    leavers.close_person(actor=world.mira, person=quinn.subject, at=now())
    assert Event.objects.filter(kind="person.closed").count() == 1, "twice is once"


def key_of(person: Person) -> dict[str, str]:
    public = public_text(Ed25519PrivateKey.generate())
    return {"subject": str(person.subject), "public": public, "fingerprint": fingerprint(public)}


def world_author(world: World) -> Person:
    sven = world.person("sven")
    world.may(sven, "author")
    return sven


def test_an_account_waits_for_another_owner_and_managers_see_it(world: World, quinn: Person) -> None:
    robot, nora = Person.objects.get(username="robot"), world.person("nora")
    world.may(nora, "manage_access")
    leavers.close_person(actor=world.mira, person=quinn.subject, at=now())
    robot.refresh_from_db()
    assert not robot.is_active
    assert said("account.suspended")["owner"] == str(quinn.subject)
    orphans = leavers.orphans(world.mira, now())
    assert [row.username for row in orphans["accounts"]] == ["robot"]
    assert [row.name for row in orphans["sources"]] == ["repo"]
    assert leavers.orphans(quinn, now()) == {"accounts": [], "sources": []}
    client = Client()
    client.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    assert "Needs a new owner" in client.get("/people/").content.decode()
    world.account(nora)
    assert Person.objects.get(pk=robot.pk).is_active
    assert leavers.orphans(world.mira, now())["accounts"] == []


def test_what_they_asked_for_is_denied_at_its_claim(world: World, quinn: Person) -> None:
    queued = world.ask(quinn)
    leavers.close_person(actor=world.mira, person=quinn.subject, at=now())
    runner = Runner.objects.filter(disposable=False).first()
    assert runner is not None
    assert claims.claim_run(run=queued.pk, runner=runner, at=now()) is None
    queued.refresh_from_db()
    assert queued.state == "denied"


def test_the_last_access_manager_stays_until_another_one_stands(world: World, quinn: Person) -> None:
    with pytest.raises(LastManager):
        leavers.close_person(actor=world.mira, person=world.mira.subject, at=now())
    assert Person.objects.get(pk=world.mira.pk).is_active
    nora = world.person("nora")
    world.may(nora, "manage_access", procedure="hello")
    with pytest.raises(LastManager):
        leavers.close_person(actor=world.mira, person=world.mira.subject, at=now())
    world.may(nora, "manage_access")
    leavers.close_person(actor=world.mira, person=world.mira.subject, at=now())
    assert not Person.objects.get(pk=world.mira.pk).is_active


def test_a_directory_closes_and_nobody_speaks_in_its_name(world: World, quinn: Person) -> None:
    with pytest.raises(NotAllowed):
        leavers.close_by_directory(directory=world.mira, person=quinn.subject, at=now())
    system = Person.objects.get(username="system:sweeper")
    leavers.close_by_directory(directory=system, person=quinn.subject, at=now())
    assert not Person.objects.get(pk=quinn.pk).is_active


def test_the_issuer_gives_a_leaver_nothing_and_keeps_what_they_signed_before(world: World, quinn: Person) -> None:
    subject = str(quinn.subject)
    before = [fact for fact in authority_facts() if fact.kind == "control.confirmed"][-1]
    leavers.close_person(actor=world.mira, person=quinn.subject, at=now())
    authority = replay()
    assert subject in authority.closed
    assert not any(grant["principal"] == f"person:{subject}" for grant in authority.grants.values())
    assert subject not in authority.members.get("ops", set())
    old, later = replace(before, actor=subject), replace(before, actor=subject, id="ffffffff" + before.id[8:])
    assert (after_leaving(authority, old), after_leaving(authority, later)) == (False, True)
    with pytest.raises(BadSignature):
        check_signature(quinn, b"{}", {"method": "ssh", "sig": "", "key": "", "by": subject})


def test_a_leaver_in_the_middle_of_requests_gets_nothing_through(world: World, quinn: Person) -> None:
    """Quinn's requests come while the account is being closed: each is answered whole or not at all."""
    client = APIClient()
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    wish = {"procedure": "hello", "environment": "development", "parameters": {}, "reason": "r"}

    def ask() -> Any:
        return client.post("/api/v1/runs/", wish, format="json")

    assert ask().status_code in {201, 202}
    stale = Person.objects.get(pk=quinn.pk)
    leavers.close_person(actor=world.mira, person=quinn.subject, at=now())
    assert ask().status_code in {401, 403}
    made = Run.objects.get()
    assert facts_of_run(made.pk)
    with pytest.raises(NotAllowed):
        world.ask(stale)
    row, secret = tokens.make_token(actor=stale, name="late", days=1, at=now() + timedelta(seconds=1))
    assert tokens.bearer(secret, at=now() + timedelta(seconds=2)) is None, row
