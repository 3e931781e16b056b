"""H26: nobody is made an approver for a run that was asked for already, in tables or in the issuer's eyes."""

from __future__ import annotations

from typing import Any

import pytest

from procedures.domain.canonical import canon, parse
from procedures.domain.clock import now
from procedures.domain.providers import Said
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Approval, Membership, Person, Run
from procedures.services import approvals, identities, versions
from procedures.services.approvals import ApproverTooLate
from tests.engine.test_two_people import YAML
from tests.factories.portal import World
from tests.signon.test_groups import provider

pytestmark = pytest.mark.once

PRODUCTION = {
    "name": "production",
    "title": "Production",
    "position": 3,
    "production": True,
    "drafts": False,
    "approvals": {"low": {"security": 1}},
    "min_strength": "signed",
    "approval_expiry_s": 3600,
    "reason_required": True,
}


def member(world: World, person: Person) -> None:
    world.confirmed("membership", {"person": str(person.subject), "group": "security", "action": "add"})


@pytest.fixture
def asked(world: World) -> Run:
    """A run in production that waits for one of security, a group whom an identity provider is an authority for."""
    world.confirmed("environment", PRODUCTION)
    sue, quinn, tom = world.person("sue", key=True), world.person("quinn"), world.person("tom")
    world.may(tom, "author")
    version = versions.submit_version(actor=tom, files={"procedure.yaml": YAML}, note="", at=now())
    world.review(world.mira, version, "operations", signed=True)
    member(world, sue)
    world.confirmed("duty", {"principal": "group:security", "duty": "security", "action": "add"})
    world.may(sue, "approve", principal="group:security")
    world.may(quinn, "run", procedure="clear-cache")
    world.confirmed("identity_provider", provider(authority=True))
    return world.ask(quinn, procedure="clear-cache", environment="production")


def approve(world: World, person: Person, run: Run) -> None:
    value = approvals.statement_for(actor=person, run=run, verdict="approve", at=now())
    signature = world.signed(person.username, canon(value))
    approvals.decide_run(
        actor=person,
        run=run.pk,
        verdict="approve",
        plan_digest=run.plan_digest,
        comment="",
        signature=signature,
        at=now(),
    )


def test_a_friend_whom_the_provider_puts_into_security_after_the_request_approves_nothing(
    world: World, asked: Run
) -> None:
    said: dict[str, Any] = {"subject": "friend", "username": "friend"}
    friend = identities.arrived(provider="corp", said=Said(**said), at=now())
    world.enrol(friend)
    identities.arrived(provider="corp", said=Said(**said, groups=("sec",)), at=now())
    assert Membership.objects.filter(person=friend, group__name="security").exists(), "the provider is believed"
    with pytest.raises(ApproverTooLate):
        approve(world, friend, asked)
    assert not Approval.objects.exists()
    approve(world, Person.objects.get(username="sue"), asked)
    asked.refresh_from_db()
    assert asked.state == "queued"


def test_the_issuer_counts_who_filled_the_duty_at_the_request_and_fills_it_now(world: World, asked: Run) -> None:
    late = world.person("late", key=True)
    member(world, late)
    Membership.objects.filter(person=late).update(since_at=asked.requested_at)  # as an administrator of rows would
    approve(world, late, asked)
    asked.refresh_from_db()
    plan = parse(bytes(asked.plan))
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        judge_run(replay(), asked, plan, at=now())


def test_who_leaves_before_the_claim_counts_no_more(world: World, asked: Run) -> None:
    sue = Person.objects.get(username="sue")
    approve(world, sue, asked)
    plan = parse(bytes(asked.plan))
    assert judge_run(replay(), asked, plan, at=now()) == (str(sue.subject),)
    world.confirmed("membership", {"person": str(sue.subject), "group": "security", "action": "remove"})
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        judge_run(replay(), asked, plan, at=now())
