"""Approved ahead, from the attacker's own place: tables are theirs, and what of the log needs no signature (H24)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction

from procedures.answers.drift import drift
from procedures.domain import ahead as rules
from procedures.domain.canonical import canon, parse, parse_moment
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.domain.ids import uuid7
from procedures.domain.statements import StatementMismatch, TooWeak
from procedures.evidence import verify
from procedures.evidence.models import Event
from procedures.evidence.record import record
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Person, PreApproval, PreApprovalUse, Standing, triggers_ahead
from procedures.runner.drive import drive
from procedures.services import giving_ahead
from procedures.services.unit import SecondPersonRequired
from tests.factories import ahead
from tests.factories.ahead_forged import let_go, no_triggers, packed, statement_by, written
from tests.factories.standing import until
from tests.standing.conftest import Ready, fired, lent

pytestmark = pytest.mark.ordinary


# Who may not, whatever they sign.


def test_nobody_behind_the_schedule_and_no_software_gives_one(ready: Ready) -> None:
    """Whoever made or set it, who owns its account, who stands in for one of them; and no bearer token or session."""
    row, world, plant = ready.settled(), ready.world, ready.plant
    world.may(plant.olga, "approve", "view", expires_at=until(29))
    world.confirmed("duty", {"principal": f"person:{plant.olga.subject}", "duty": "operations", "action": "add"})
    with pytest.raises(SecondPersonRequired, match="You stand behind nightly"):
        ahead.given(world, plant.olga)
    world.account(ready.sam, "robot")
    with pytest.raises(SecondPersonRequired, match="You stand behind nightly"):
        ahead.given(world, ready.sam)
    world.account(plant.olga, "robot")
    with pytest.raises(NotAllowed):
        giving_ahead.offer(actor=plant.robot, name="nightly", at=now())
    found = giving_ahead.offer(actor=ready.sam, name="nightly", at=now())
    named = {"actor": ready.sam, "name": "nightly", "count": 1, "until": now() + timedelta(days=1), "comment": ""}
    for bearer in (False, True):
        with pytest.raises(TooWeak):
            giving_ahead.approve_ahead(plan_digest=found.digest, signature=None, at=now(), bearer=bearer, **named)
    value, _ = statement_by(ready, ready.sam, row, runs=9)
    with pytest.raises(StatementMismatch):
        ahead.given(world, ready.sam, signature=world.signed("sam", canon(value)))
    assert not PreApproval.objects.exists()
    value, _ = statement_by(ready, ready.sam, row)
    once = world.signed("sam", canon({**value, "portal": settings.OPSPORTAL_PUBLIC_URL}))
    named |= {"count": 3, "until": parse_moment(value["not_after"]), "plan_digest": found.digest, "signature": once}
    giving_ahead.approve_ahead(at=now(), **named)
    with pytest.raises(StatementMismatch, match="handed in before"):
        giving_ahead.approve_ahead(at=now(), **named)


def test_in_separate_whoever_confirmed_the_schedule_gives_none(ready: Ready) -> None:
    mira, nora = ready.world.mira, Person.objects.get(username="nora")
    ready.world.may(mira, "approve", "view", by=nora)
    ready.world.confirmed("profile", {"profile": "separate"})
    ready.settled()
    assert Standing.objects.get().confirmed_by == mira
    with pytest.raises(SecondPersonRequired, match="You stand behind nightly"):
        giving_ahead.offer(actor=mira, name="nightly", at=now())


def test_the_database_refuses_what_is_plainly_wrong(ready: Ready) -> None:
    row = ready.settled()
    one = ahead.given(ready.world, ready.sam, count=1)
    run = fired(row)
    fields = {f.name: getattr(one, f.name) for f in PreApproval._meta.concrete_fields if f.name != "id"}
    olga, other = ready.plant.olga, ready.world.account(ready.plant.olga, "other")
    mine = PreApproval.objects.filter(pk=one.pk)
    for wrong, why in (
        (lambda: PreApproval.objects.create(**{**fields, "nonce": "x", "approver": olga}), triggers_ahead.OWN),
        (lambda: PreApproval.objects.create(**{**fields, "nonce": "y", "approver": other}), "software"),
        (lambda: mine.update(runs=99), triggers_ahead.KEPT),
        (lambda: mine.update(plan_digest="sha256:0"), triggers_ahead.KEPT),
        (lambda: mine.update(not_after_at=now()), triggers_ahead.KEPT),
        (lambda: mine._raw_delete("default"), triggers_ahead.KEPT),
        (lambda: PreApprovalUse.objects.create(pre_approval=one, run=run, at=now()), triggers_ahead.SPENT),
        (lambda: PreApprovalUse.objects.update(run=run, at=now()), triggers_ahead.KEPT),
        (lambda: PreApprovalUse.objects.all()._raw_delete("default"), triggers_ahead.KEPT),
    ):
        with pytest.raises(IntegrityError, match=why), transaction.atomic():
            wrong()


# What the issuer lends nothing for, whatever tables and log say.


def test_a_row_that_sql_wrote_lets_it_go_in_the_tables_and_gives_no_credential(ready: Ready) -> None:
    row = ready.settled()
    with no_triggers():
        PreApproval.objects.create(
            standing=row,
            change=row.change,
            approver=ready.sam,
            duties=["operations"],
            plan=b"{}",
            plan_digest=giving_ahead.offer(actor=ready.sam, name="nightly", at=now()).digest,
            runs=9,
            nonce="n" * 32,
            statement=b"{}",
            event=row.change,
            at=now(),
            not_after_at=now() + timedelta(days=9),
        )
    run = fired(row)
    assert run.state == "queued", "the tables alone let it go"
    assert ("ahead", "n" * 32) in {(one.kind, one.what) for one in drift(now())}
    with pytest.raises(LeaseRefused, match="the log holds no such approval"):
        lent(run)


def test_a_signature_by_no_key_of_the_approver_gives_none_and_fails_the_pack(ready: Ready, tmp_path: Path) -> None:
    row = ready.settled()
    written(ready, ready.sam, row, signer="olga")
    run = fired(row)
    assert run.state == "queued"
    with pytest.raises(LeaseRefused, match="no key that counts signed it"):
        lent(run)
    with pytest.raises(verify.Failed, match="claims a signature that no key enrolled for this person made"):
        packed(ready, run, tmp_path)


def test_one_by_somebody_behind_it_gives_none_and_fails_the_pack(ready: Ready, tmp_path: Path) -> None:
    row, olga = ready.settled(), ready.plant.olga
    world = ready.world
    world.may(olga, "approve", "view", expires_at=until(29))
    world.confirmed("duty", {"principal": f"person:{olga.subject}", "duty": "operations", "action": "add"})
    one = written(ready, olga, row)
    run = fired(row)
    assert run.state == "awaiting_approval", "her name stands in the chain"
    with pytest.raises(LeaseRefused, match="its approver stands behind the run"):
        lent(let_go(run, one))
    with pytest.raises(verify.Failed, match="somebody behind the schedule approved it ahead"):
        packed(ready, run, tmp_path)


def test_nobody_approves_through_the_account_that_they_were_given(ready: Ready) -> None:
    """Sam approves ahead, and is then given the account that asks."""
    row = ready.settled()
    one = ahead.given(ready.world, ready.sam)
    ready.world.account(ready.sam, "robot")
    run = fired(row)
    assert run.state == "awaiting_approval"
    with pytest.raises(LeaseRefused, match="its approver stands behind the run"):
        lent(let_go(run, one))


def test_a_count_that_sql_raised_lets_go_in_the_tables_alone(ready: Ready, tmp_path: Path) -> None:
    row = ready.settled()
    ahead.given(ready.world, ready.sam, count=1)
    first = fired(row)
    drive(first.id)
    with no_triggers():
        PreApproval.objects.update(runs=99)
    second = fired(row)
    assert second.state == "queued", "the tables say that it may"
    with pytest.raises(LeaseRefused, match="it was used up: 1 runs"):
        lent(second)
    assert lent(first) == (str(ready.sam.subject),), "the one that came first keeps it"
    with pytest.raises(verify.Failed, match="used more often than it was signed for"):
        packed(ready, second, tmp_path)
    with pytest.raises(verify.Failed, match="used more often than it was signed for"):
        packed(ready, first, tmp_path, run=str(first.pk))


@pytest.mark.parametrize("step", [1, -1], ids=["before the other use", "before the approval itself"])
def test_a_use_that_is_dated_back_comes_after_what_the_log_holds(
    ready: Ready, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are in order of time, and whoever writes to the log chooses them; its places they do not."""
    row = ready.settled()
    one = ahead.given(ready.world, ready.sam, count=1)
    first = fired(row)
    drive(first.id)
    assert packed(ready, first, tmp_path)["asserted"] == [], "the log holds it now"
    second = fired(row)
    with monkeypatch.context() as patch:
        ids = iter([UUID(int=one.event.int + step)])
        patch.setattr("procedures.evidence.record.uuid7", lambda: next(ids, None) or uuid7())
        let_go(second, one)
    use = Event.objects.get(run=second.pk, kind=rules.USED)
    assert use.id < Event.objects.get(run=first.pk, kind=rules.USED).id
    with pytest.raises(LeaseRefused, match="it was used up"):
        lent(second)


def test_one_statement_under_two_names_is_counted_as_one(ready: Ready) -> None:
    """Whoever writes to the log writes the same signed bytes into a second event, and counts anew."""
    row = ready.settled()
    one = ahead.given(ready.world, ready.sam, count=1)
    drive(fired(row).id)
    copy = Event.objects.get(pk=one.event)
    body = parse(bytes(copy.body))
    facts = {name: value for name, value in body.items() if name not in ("statement", "sigs", "actor", "salt")}
    signed = {"statement": bytes(one.statement), "signatures": one.signatures}
    with transaction.atomic():
        again = record(rules.GIVEN, actor=ready.sam.subject, at=now(), facts=facts, **signed)
    with no_triggers():
        PreApproval.objects.update(runs=99, event=again.id)
    with pytest.raises(LeaseRefused, match="it was used up"):
        lent(fired(row))
