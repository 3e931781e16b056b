"""An enrolled passkey decides at every door; each way around it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.statements import BadSignature, StatementMismatch, TooWeak
from procedures.evidence.models import Event
from procedures.models import EnrolledKey, Environment, Person, Review, Version
from procedures.services import approvals, controls, reviews
from procedures.services.signing import PasskeyCopied
from tests.factories.passkeys import ALGORITHMS, PRESENT, VERIFIED, SoftPasskey, text
from tests.factories.portal import World
from tests.services.test_second_person import environment

pytestmark = pytest.mark.ordinary


def under_review(world: World) -> tuple[Person, Version]:
    """Olga, who reviews, and a version of Adam's that only a signature accepts."""
    Environment.objects.update(min_strength="signed")
    adam, olga = world.person("adam"), world.person("olga", "operations", "security")
    world.may(adam, "author")
    world.may(olga, "review")
    return olga, world.submit(adam)


def statement_of(olga: Person, version: Version) -> bytes:
    return canon(reviews.statement_for(actor=olga, version=version, verdict="accept", duties=["operations"]))


def review(olga: Person, version: Version, signature: Any, *, bearer: bool = False) -> None:
    reviews.review_version(
        actor=olga,
        version=version.id,
        digest=version.digest,
        verdict="accept",
        duties=["operations"],
        comment="",
        signature=signature,
        at=now(),
        bearer=bearer,
    )


def refused(world: World, refusal: type[Exception], match: str, **twist: Any) -> None:
    """An answer with one thing wrong leaves no review and no event of one."""
    olga, version = under_review(world)
    soft = SoftPasskey().enrol(world, olga)
    with pytest.raises(refusal, match=match):
        review(olga, version, soft.given(statement_of(olga, version), **twist))
    assert not Review.objects.exists()
    assert not Event.objects.filter(kind="review.made").exists()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_version_is_accepted_by_passkey_and_the_row_says_how(world: World, algorithm: str) -> None:
    olga, version = under_review(world)
    soft = SoftPasskey(algorithm).enrol(world, olga)
    review(olga, version, soft.given(statement_of(olga, version)))
    version.refresh_from_db()
    made = Review.objects.get()
    row = made.signatures[0]
    assert (version.state, made.strength, row["method"], row["credential"]) == (
        "accepted",
        "signed",
        "passkey",
        soft.credential,
    )
    assert set(row) == {
        "by",
        "strength",
        "method",
        "role",
        "key",
        "sig",
        "credential",
        "authenticator_data",
        "client_data",
    }


def test_a_run_is_approved_by_passkey(world: World) -> None:
    world.accepted()
    quinn, petra = world.person("quinn"), world.person("petra", "operations")
    world.may(quinn, "run", procedure="hello", environments=["staging"])
    world.may(petra, "approve", "view", procedure="hello", environments=["staging"])
    rules = environment("staging", approvals={"low": {"operations": 1}}, min_strength="signed")
    world.propose("environment", rules)
    soft = SoftPasskey().enrol(world, petra)
    run = world.ask(quinn, environment="staging")
    statement = canon(approvals.statement_for(actor=petra, run=run, verdict="approve", at=now()))
    after = approvals.decide_run(
        actor=petra,
        run=run.id,
        verdict="approve",
        plan_digest=run.plan_digest,
        comment="",
        signature=soft.given(statement),
        at=now(),
    )
    assert (after.state, run.approvals.get().strength) == ("queued", "signed")


def test_a_change_is_proposed_and_confirmed_by_passkeys(world: World) -> None:
    jonas = world.person("jonas")
    world.may(jonas, "manage_access", "operate")
    hers, his = SoftPasskey().enrol(world, world.mira), SoftPasskey("EdDSA").enrol(world, jonas)
    made = environment("production", production=True)
    statement = canon(controls.statement_for(actor=world.mira, control="environment", object=made))
    change = controls.propose(
        actor=world.mira, control="environment", object=made, signature=hers.given(statement), at=now()
    )
    assert change.state == "proposed"
    other = canon(controls.statement_for(actor=world.mira, control="environment", object=made))
    with pytest.raises(StatementMismatch):
        controls.confirm(actor=jonas, change=change.id, signature=his.given(other), at=now())
    done = controls.confirm(actor=jonas, change=change.id, signature=his.given(bytes(change.statement)), at=now())
    assert (done.state, [row["method"] for row in done.signatures]) == ("confirmed", ["passkey", "passkey"])


def test_nobody_verified_is_refused(world: World) -> None:
    refused(world, BadSignature, "did not verify who holds it", flags=PRESENT)


def test_nobody_present_is_refused(world: World) -> None:
    refused(world, BadSignature, "Nobody touched", flags=VERIFIED)


def test_a_foreign_origin_is_refused(world: World) -> None:
    refused(world, BadSignature, "another origin", origin="https://evil.example")


def test_a_foreign_relying_party_is_refused(world: World) -> None:
    refused(world, BadSignature, "another relying party", rp="evil.example")


def test_a_frame_of_another_site_is_refused(world: World) -> None:
    refused(world, BadSignature, "frame of another site", crossOrigin=True)


def test_an_answer_for_another_statement_is_refused(world: World) -> None:
    olga, version = under_review(world)
    soft = SoftPasskey().enrol(world, olga)
    earlier = statement_of(olga, version)
    given = {**soft.given(earlier), "statement": text(statement_of(olga, version))}
    with pytest.raises(BadSignature, match="another statement"):
        review(olga, version, given)


def test_an_answer_for_another_version_is_refused(world: World) -> None:
    olga, version = under_review(world)
    soft = SoftPasskey().enrol(world, olga)
    statement = canon({**reviews.statement_for(actor=olga, version=version, verdict="accept", duties=["operations"])})
    moved = statement.replace(version.digest.encode(), b"sha256:" + b"0" * 64)
    with pytest.raises(StatementMismatch, match="digest"):
        review(olga, version, soft.given(moved))


def test_somebody_elses_passkey_is_refused(world: World) -> None:
    olga, version = under_review(world)
    hers = SoftPasskey().enrol(world, world.mira)
    with pytest.raises(BadSignature, match="not enrolled for this person"):
        review(olga, version, hers.given(statement_of(olga, version)))


def test_a_passkey_that_nobody_confirmed_is_refused(world: World) -> None:
    olga, version = under_review(world)
    soft = SoftPasskey()
    controls.propose(actor=olga, control="key", object=soft.object(olga), signature=None, at=now())
    with pytest.raises(BadSignature, match="not enrolled for this person"):
        review(olga, version, soft.given(statement_of(olga, version)))


def test_a_revoked_passkey_is_refused(world: World) -> None:
    olga, version = under_review(world)
    soft = SoftPasskey().enrol(world, olga)
    world.propose("key_end", {"fingerprint": soft.object(olga)["fingerprint"], "reason": "lost"})
    with pytest.raises(BadSignature, match="not enrolled for this person"):
        review(olga, version, soft.given(statement_of(olga, version)))


@pytest.mark.parametrize("second", [3, 2, 0])
def test_a_counter_that_goes_back_is_refused_and_is_evidence(world: World, second: int) -> None:
    olga, version = under_review(world)
    soft = SoftPasskey().enrol(world, olga)
    EnrolledKey.objects.filter(credential=soft.credential).update(sign_count=3)
    with pytest.raises(PasskeyCopied):
        review(olga, version, soft.given(statement_of(olga, version), count=second))
    assert Event.objects.filter(kind="access.denied").count() == 1
    review(olga, version, soft.given(statement_of(olga, version), count=4))
    assert EnrolledKey.objects.get(credential=soft.credential).sign_count == 4


def test_a_passkey_that_does_not_count_may_decide_again(world: World) -> None:
    olga, version = under_review(world)
    soft = SoftPasskey().enrol(world, olga)
    review(olga, version, soft.given(statement_of(olga, version), count=0))
    assert Review.objects.get().strength == "signed"


def test_a_bearer_token_alone_decides_nothing_beside_a_passkey_that_lies_unused(world: World) -> None:
    olga, version = under_review(world)
    Environment.objects.update(min_strength="session")
    SoftPasskey().enrol(world, olga)
    with pytest.raises(TooWeak, match="bearer"):
        review(olga, version, None, bearer=True)
