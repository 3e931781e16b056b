"""What a review needs: who, for which duty, of which bytes, how risky; and who gains from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.statements import StatementMismatch
from procedures.evidence.models import Event
from procedures.models import CredentialBinding, Person, PortalSetting, Review, Version
from procedures.queries import differences
from procedures.services import life, review_rules, reviews
from procedures.services.review_rules import AlreadyReviewed, StaleReview, TooSoon
from tests.factories.portal import World
from tests.factories.reviews import hello, sent


def profile(name: str) -> None:
    PortalSetting.objects.filter(name="profile").update(value=name)
    assert PortalSetting.objects.get(name="profile").value == name


NEEDS = [
    ("separate", "low", ["olga:operations"]),
    ("separate", "moderate", ["olga:operations", "sven:security"]),
    ("separate", "high", ["olga:operations", "sven:compliance", "max:security"]),
    ("team", "low", ["olga:operations"]),
    ("team", "moderate", ["max:operations,security"]),
    ("team", "high", ["max:operations,security,compliance", "olga:operations"]),
    ("pair", "moderate", ["max:operations,security"]),
]


@pytest.mark.parametrize(("name", "risk", "steps"), NEEDS)
def test_each_profile_asks_for_its_people_and_one_fewer_is_not_enough(
    world: World, panel: dict[str, Any], name: str, risk: str, steps: list[str]
) -> None:
    profile(name)
    version = sent(world, hello(risk))
    for number, step in enumerate(steps):
        version.refresh_from_db()
        assert version.state == "in_review", f"accepted after {number} of {steps}"
        who, _, duties = step.partition(":")
        world.review(panel[who], version, *duties.split(","))
    version.refresh_from_db()
    assert version.state == "accepted"
    assert version.profile == name


@pytest.mark.parametrize(
    ("name", "who", "duties", "told"),
    [
        ("separate", "max", ["operations", "security"], "one person decides for one duty"),
        ("team", "max", ["operations", "operations"], "operations stands twice"),
        ("team", "olga", ["security"], "you do not fill the duty security"),
        ("team", "olga", ["cooking"], "not one of operations, security, compliance"),
        ("team", "olga", [], "name the duties for which you accept"),
    ],
)
def test_duties_that_cannot_count_are_refused_in_words(
    world: World, panel: dict[str, Any], name: str, who: str, duties: list[str], told: str
) -> None:
    profile(name)
    version = sent(world, hello())
    with pytest.raises(InvalidInput) as refusal:
        world.review(panel[who], version, *duties)
    assert told in str(refusal.value.problems)
    assert not Review.objects.exists()


def test_one_person_counts_once_per_version(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello("moderate"))
    world.review(panel["max"], version, "operations")
    with pytest.raises(AlreadyReviewed):
        world.review(panel["max"], version, "security")


def test_in_a_pair_a_risky_version_lies_four_hours_and_its_reviewer_can_come_back(
    world: World, panel: dict[str, Any]
) -> None:
    profile("pair")
    version = sent(world, hello("high"))
    with pytest.raises(TooSoon, match="can be accepted from"):
        world.review(panel["max"], version, "operations", "security", "compliance")
    Version.objects.filter(pk=version.pk).update(submitted_at=now() - timedelta(hours=4, seconds=1))
    world.review(panel["max"], version, "operations", "security", "compliance")
    version.refresh_from_db()
    assert version.state == "accepted"


def test_a_new_submission_withdraws_and_no_review_of_the_old_bytes_counts(world: World, panel: dict[str, Any]) -> None:
    first = sent(world, hello("moderate"))
    world.review(panel["olga"], first, "operations")
    second = sent(world, hello("moderate", "other"))
    first.refresh_from_db()
    assert first.state == "withdrawn"
    with pytest.raises(StaleReview, match=f"v1 is withdrawn, not in review. v2 .{second.digest}. is in review now"):
        world.review(panel["sven"], first, "security")
    world.review(panel["sven"], second, "security")
    second.refresh_from_db()
    assert second.state == "in_review", "Olga decided on other bytes"
    assert reviews.still_missing(second) == ["operations"]


def test_the_old_digest_against_the_new_version_is_refused(world: World, panel: dict[str, Any]) -> None:
    first = sent(world, hello())
    second = sent(world, hello(word="other"))
    with pytest.raises(StatementMismatch):
        reviews.review_version(
            actor=panel["olga"],
            version=second.id,
            digest=first.digest,
            verdict="accept",
            duties=["operations"],
            comment="",
            signature=None,
            at=now(),
        )


def test_the_same_bytes_sent_again_start_with_no_review(world: World, panel: dict[str, Any]) -> None:
    first = sent(world, hello("moderate"))
    world.review(panel["olga"], first, "operations")
    sent(world, hello("moderate", "other"))
    third = sent(world, hello("moderate"))
    assert third.digest == first.digest
    assert reviews.still_missing(third) == ["operations", "security"]


def test_a_lift_on_a_version_that_is_gone_is_refused_by_name(world: World, panel: dict[str, Any]) -> None:
    first = sent(world, hello())
    world.review(panel["olga"], first, verdict="request_changes")
    sent(world, hello(word="other"))
    with pytest.raises(StaleReview, match="v2"):
        reviews.lift(actor=panel["olga"], version=first.id, at=now())


def bind(role: str, environment: str = "development", **reach: Any) -> None:
    CredentialBinding.objects.filter(name="deploy", ended_at__isnull=True).update(ended_at=now())
    CredentialBinding.objects.create(
        environment_id=environment,
        name="deploy",
        provider="ssh-certificate",
        role=role,
        reach=reach,
        digest="sha256:0",
        since_at=now(),
    )


def test_a_binding_that_grew_during_the_review_raises_the_risk_and_what_it_needs(
    world: World, panel: dict[str, Any]
) -> None:
    version = sent(world, hello())
    bind("root")
    assert review_rules.risk_now(version)[0] == "high"
    world.review(panel["olga"], version, "operations")
    version.refresh_from_db()
    assert (version.state, version.risk) == ("in_review", "high"), "low needed one person, high needs two"
    event = Event.objects.get(kind="version.risk_raised")
    assert b"deploy reaches root in development" in bytes(event.body)
    bind("deploy")
    world.review(panel["max"], version, "operations", "security", "compliance")
    version.refresh_from_db()
    assert (version.state, version.risk) == ("accepted", "high"), "raised, never lowered"


def rows(version: Version) -> dict[tuple[str, str], Any]:
    found = differences.differences(differences.base_of(version), version, now())
    return {(row.area, row.name): row for row in found}


def test_what_a_binding_became_since_the_acceptance_is_a_row_though_no_byte_changed(
    world: World, panel: dict[str, Any]
) -> None:
    bind("deploy")
    first = sent(world, hello())
    world.review(panel["olga"], first, "operations")
    bind("root")
    row = rows(sent(world, hello(word="other")))["Bindings", "deploy in development"]
    assert row.effect == "wider"
    assert "it reaches root now" in row.why
    assert row.before.startswith("ssh-certificate as deploy")


def test_taking_an_old_version_back_is_a_new_review_with_its_difference_and_no_decision(
    world: World, panel: dict[str, Any]
) -> None:
    """An old version may have a hole that the newer one closed (H40)."""
    world.enrol(panel["max"])
    first = sent(world, hello("moderate", places="development, staging"))
    world.review(panel["max"], first, "operations", "security", signed=True)
    second = sent(world, hello("moderate"))
    world.review(panel["max"], second, "operations", "security")
    again = life.resubmit_version(actor=Person.objects.get(username="adam"), version=first.pk, note="", at=now())
    assert (again.digest, again.state) == (first.digest, "in_review")
    assert reviews.still_missing(again) == ["operations", "security"]
    assert differences.base_of(again) == second
    assert rows(again)["Environments", ""].why == "it may now run in staging"
    with pytest.raises(StaleReview):
        world.review(panel["olga"], first, "operations")
