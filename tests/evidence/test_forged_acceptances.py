"""A database administrator writes rows and events of acceptances and risks: no lease, and the pack says so (H1, H40).

Each forgery satisfies every trigger; only what people signed is beyond this attacker.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.evidence import verify
from procedures.evidence.queries import Fact, version_facts
from procedures.evidence.record import record
from procedures.evidence.verify import Failed
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Approval, Procedure, Run, Version
from procedures.runner.drive import drive
from procedures.services import life
from procedures.services.run_states import note
from tests.evidence.test_passkeys import Office, opened
from tests.factories.transitions import unevidenced
from tests.fixtures.settled import Settled


@pytest.fixture
def office(db: None, settled: Settled, tmp_path: Path) -> Office:
    return settled(opened, tmp_path)


def write(fact: Fact, procedure: UUID, **changed: Any) -> None:
    """An event like one that stands in the log, with other facts and the same signatures."""
    kept = {k: v for k, v in fact.facts.items() if k not in {"statement", "sigs", "sd", "actor"}} | changed
    with transaction.atomic():
        record(
            fact.kind,
            actor=UUID(fact.actor) if fact.actor else None,
            at=now(),
            procedure=procedure,
            statement=fact.statement,
            signatures=fact.signatures,
            facts=kept,
        )


def reborn(office: Office, *, without: str = "", **review: Any) -> Version:
    """The revoked version once more, as a new row with copies of every event of its first life."""
    old = office.run.version
    facts = version_facts(old.pk)
    life.revoke_version(actor=office.log.world.mira, version=old.pk, reason="a hole", at=now())
    new = Version.objects.get(pk=old.pk)
    new.pk, new.number, new.state = uuid7(), old.number + 1, "accepted"
    new.save(force_insert=True)
    Run.objects.filter(pk=office.run.pk).update(version=new)
    for fact in facts:
        more: Mapping[str, Any] = review if fact.kind == "review.made" else {}
        if fact.kind not in {without, "version.tested"}:
            write(fact, new.procedure_id, version=str(new.pk), **more)
    office.log.run.refresh_from_db()
    return new


def test_old_reviews_copied_onto_a_new_row_of_revoked_bytes_give_no_lease_and_fail_the_pack(office: Office) -> None:
    office.approve()
    assert office.judged()
    reborn(office)
    with pytest.raises(LeaseRefused, match="lacks a signed review"):
        office.judged()
    with pytest.raises(Failed, match="about another review"):
        verify.verify(office.log.pack(careless=True), office.log.key)


def test_an_acceptance_that_nobody_reviewed_gives_no_lease_and_fails_the_pack(office: Office) -> None:
    office.approve()
    reborn(office, without="review.made")
    with pytest.raises(LeaseRefused, match="lacks a signed review"):
        office.judged()
    with pytest.raises(Failed, match="without the reviews that it names"):
        verify.verify(office.log.pack(careless=True), office.log.key)


def test_a_production_run_of_what_only_the_platform_says_was_accepted_is_told_as_asserted(office: Office) -> None:
    """The review is forged down to a session's word, which needs no signature; then the run is really carried out."""
    office.approve()
    new = Version(pk=uuid7())
    facts = version_facts(office.run.version_id)
    for fact in facts:
        if fact.kind == "version.tested":
            continue
        changed: dict[str, Any] = {"version": str(new.pk)}
        told = fact
        if fact.kind == "review.made":
            signed = verify.parse("statement", fact.statement or b"") | {"version": str(new.pk)}
            row = {**fact.signatures[0], "strength": "session", "method": "session", "sig": "", "key": ""}
            told = Fact(fact.id, fact.kind, fact.actor, fact.facts, verify.canon(signed), [row])
            changed["strength"] = "session"
        write(told, office.run.procedure_id, **changed)
    drive(office.run.id)
    office.log.run.refresh_from_db()
    assert office.run.state == "succeeded"
    found = verify.verify(office.log.pack(), office.log.key)
    assert [row["control"] for row in found["asserted"]] == ["acceptance"]
    assert "no signed review" in found["asserted"][0]["why"]


def test_a_production_run_approved_by_the_platforms_word_alone_is_told_as_asserted(office: Office) -> None:
    """Row and event of an approval by a session, where the rules want signatures; the plan's minimum is lowered too."""
    statement, run = office.statement(), office.run
    row = {"by": str(office.jonas.subject), "strength": "session", "method": "session", "key": "", "sig": ""}
    facts = {"plan_digest": run.plan_digest, "digest": run.digest, "gate": "", "duties": ["operations"]}
    with transaction.atomic():
        Approval.objects.create(
            run=run,
            approver=office.jonas,
            requester=run.requester,
            plan_digest=run.plan_digest,
            verdict="approve",
            duties=["operations"],
            strength="session",
            statement=statement,
            signatures=[row],
            not_after_at=now() + timedelta(hours=1),
            at=now(),
        )
        note(
            "run.approved",
            run,
            at=now(),
            actor=office.jonas.subject,
            statement=statement,
            signatures=[row],
            facts={**facts, "verdict": "approve", "strength": "session", "comment": ""},
        )
        with unevidenced():
            Run.objects.filter(pk=run.pk).update(state="queued", min_strength="session")
    drive(run.id)
    office.log.run.refresh_from_db()
    assert run.state == "succeeded", run.message
    found = verify.verify(office.log.pack(), office.log.key)
    assert [(row["control"], row["why"]) for row in found["asserted"]] == [
        ("approval", "needs 1 signed approvals, carries 0")
    ]


def test_an_honest_production_run_asserts_nothing(office: Office) -> None:
    office.approve()
    drive(office.run.id)
    assert verify.verify(office.log.pack(), office.log.key)["asserted"] == []


def test_a_risk_lowered_in_the_table_asks_for_no_less(office: Office) -> None:
    office.approve()
    facts = {"version": str(office.run.version_id), "digest": office.run.digest}
    with transaction.atomic():
        record(
            "version.risk_raised",
            actor=None,
            at=now(),
            procedure=office.run.procedure_id,
            facts={**facts, "was": "low", "risk": "high", "reasons": ["root"]},
        )
    Run.objects.filter(pk=office.run.pk).update(risk="low")
    Version.objects.filter(pk=office.run.version_id).update(risk="low")
    with pytest.raises(LeaseRefused, match="lacks a signed review for: security, compliance"):
        office.judged()


def test_a_procedure_renamed_into_somebodys_grant_is_not_covered_by_it(office: Office) -> None:
    """Quinn may run `hello`; by SQL, what was reviewed as clear-cache is called that now."""
    world = office.log.world
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="clear-cache", environments=["production"])
    run = world.ask(quinn, procedure="clear-cache", environment="production")
    office.log.run = run
    office.approve()
    assert office.judged()
    world.accepted("hello")
    ours = world.may(quinn, "run", procedure="hello", environments=["production"])
    Procedure.objects.filter(name="hello").update(name="hello-2")
    Procedure.objects.filter(name="clear-cache").update(name="hello")
    from procedures.issuer.replay import replay

    run, authority = Run.objects.get(pk=run.pk), replay()
    assert run.procedure.name == "hello"
    assert not authority.reaches(authority.grants[str(ours.pk)], "clear-cache")


def test_a_label_that_only_the_table_knows_opens_no_grant(office: Office) -> None:
    world = office.log.world
    quinn = world.person("quinn")
    world.accepted("hello")
    world.confirmed("labels", {"procedure": "hello", "labels": ["qa-safe"]})
    grants = [
        world.may(quinn, "run", selector=["qa-safe"], environments=["production"], **more)
        for more in ({}, {"grows": True})
    ]
    Procedure.objects.filter(name="clear-cache").update(labels=["qa-safe"])
    from procedures.issuer.replay import replay

    authority = replay()
    for grant in grants:
        kept = authority.grants[str(grant.pk)]
        assert authority.reaches(kept, "hello")
        assert not authority.reaches(kept, "clear-cache")
