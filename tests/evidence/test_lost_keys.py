"""A key that takes the place of a lost one waits a day before it signs for production (H1): the mail goes out at once,
so whoever talked one manager into it has a day in which the true owner can end it.
"""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import EnrolledKey, Notice
from procedures.services import approvals, controls, reviews, signing, versions
from procedures.services.run_states import note
from tests.engine.test_two_people import YAML
from tests.evidence.test_asserted import signed_by, written
from tests.evidence.test_passkeys import Office, opened
from tests.factories.passkeys import SoftPasskey
from tests.factories.portal import World
from tests.fixtures.settled import Settled

pytestmark = pytest.mark.once

LATER = timedelta(hours=24, seconds=1)


@pytest.fixture
def office(db: None, settled: Settled, tmp_path: Path) -> Office:
    return settled(without_keys, tmp_path)


def without_keys(tmp_path: Path) -> Office:
    """Jonas lost every key; a new passkey was enrolled for him, confirmed by Mira alone."""
    office = opened(tmp_path)
    for mark in EnrolledKey.objects.filter(person=office.jonas).values_list("fingerprint", flat=True):
        office.log.world.propose("key_end", {"fingerprint": mark, "reason": "lost"})
    del office.log.world.keys["jonas"]
    office.his = SoftPasskey().enrol(office.log.world, office.jonas)
    return office


def new_key(office: Office) -> EnrolledKey:
    return EnrolledKey.objects.get(person=office.jonas, revoked_at__isnull=True)


def test_it_approves_nothing_in_production_for_a_day_and_the_refusal_names_the_hour(office: Office) -> None:
    key = new_key(office)
    assert key.counts_from_at == key.enrolled_at + timedelta(hours=24)
    with pytest.raises(signing.KeyTooNew, match=f"from {key.counts_from_at:%Y-%m-%d %H:%M} UTC"):
        office.approve()
    expected = approvals.statement_for(actor=office.jonas, run=office.run, verdict="approve", at=now())
    given = office.his.given(canon(expected))
    decision = signing.decided(office.jonas, expected, given, minimum="signed", at=now() + LATER)
    assert decision.strength == "signed"


def test_outside_production_it_signs_at_once(office: Office) -> None:
    expected = approvals.statement_for(actor=office.jonas, run=office.run, verdict="approve", at=now())
    given = office.his.given(canon(expected))
    found = signing.decided(office.jonas, expected, given, minimum="signed", at=now(), production=False)
    assert found.strength == "signed"


def test_it_neither_reviews_for_production_nor_confirms_nor_enrols_another_key(office: Office) -> None:
    jonas, world = office.jonas, office.log.world
    files = {"procedure.yaml": YAML, "README.md": b"another word"}
    version = versions.submit_version(actor=world.mira, files=files, note="", at=now())
    world.may(jonas, "review", "manage_access")
    value = reviews.statement_for(actor=jonas, version=version, verdict="accept", duties=["operations"])
    with pytest.raises(signing.KeyTooNew):
        reviews.review_version(
            actor=jonas,
            version=version.id,
            digest=version.digest,
            verdict="accept",
            duties=["operations"],
            comment="",
            signature=office.his.given(canon(value)),
            at=now(),
        )
    change = world.propose("profile", {"profile": "pair"})
    signed = office.his.given(bytes(change.statement))
    with pytest.raises(signing.KeyTooNew):
        controls.confirm(actor=jonas, change=change.id, signature=signed, at=now())
    made = SoftPasskey().object(jonas)
    statement = canon(controls.statement_for(actor=jonas, control="key", object=made))
    with pytest.raises(signing.KeyTooNew):
        controls.propose(actor=jonas, control="key", object=made, signature=office.his.given(statement), at=now())


def test_an_approval_with_it_that_sql_wrote_gives_no_lease_also_dated_ahead(office: Office, monkeypatch: Any) -> None:
    statement = office.statement()
    row = office.his.row(office.jonas, statement, key=new_key(office).fingerprint)
    office.written(statement, row)
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        office.judged()
    monkeypatch.setattr("tests.evidence.test_passkeys.now", lambda: now() + LATER)
    office.written(statement, row)
    monkeypatch.undo()
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        office.judged()


def test_offline_its_approval_counts_as_no_signature(office: Office) -> None:
    """The claim believed the portal; the pack says that only the portal's word holds the approval up."""
    statement = office.statement()
    office.written(statement, office.his.row(office.jonas, statement, key=new_key(office).fingerprint))
    facts = {"runner": "x", "digest": office.run.digest, "plan_digest": office.run.plan_digest}
    with transaction.atomic():
        note("run.claimed", office.run, at=now(), actor=None, facts=facts)
    found = verify.verify(office.log.pack(), office.log.key)
    assert [(row["control"], row["why"]) for row in found["asserted"]] == [
        ("approval", "needs 1 signed approvals, carries 0")
    ]


def test_a_key_that_it_signed_for_by_sql_stands_for_nothing(office: Office) -> None:
    other = SoftPasskey()
    made = other.object(office.jonas)
    statement = canon(controls.statement_for(actor=office.jonas, control="key", object=made))
    row = office.his.row(office.jonas, statement, key=new_key(office).fingerprint)
    written("key", made, statement, ({**row, "by": str(office.jonas.subject)},))
    authority = replay()
    assert made["fingerprint"] not in authority.keys
    assert len(authority.asserted) == 1
    found = verify.verify(office.log.pack(), office.log.key)
    assert [one["control"] for one in found["asserted"]] == ["key"]


def test_its_day_begins_no_earlier_than_what_the_log_holds_before_it(
    db: None, settled: Settled, tmp_path: Path, monkeypatch: Any
) -> None:
    """Mira was talked into signing; the event of it was then dated two days back."""
    office: Office = settled(opened, tmp_path)
    world: World = office.log.world
    made = SoftPasskey().object(office.jonas)
    statement = canon(controls.statement_for(actor=office.jonas, control="key", object=made))
    monkeypatch.setattr("tests.evidence.test_asserted.now", lambda: now() - timedelta(days=2))
    written("key", made, statement, (signed_by(world, world.mira, statement),))
    monkeypatch.undo()
    assert replay().keys[made["fingerprint"]]["counts_from"] > moment(now() + timedelta(hours=23))
    authority = read(office)
    assert authority.keys[made["fingerprint"]]["counts_from"] > moment(now() + timedelta(hours=23))


def read(office: Office) -> verify.Authority:
    """Who has authority in the end, as `verify.py` reads a whole pack."""
    pack = verify.Pack(io.BytesIO(office.log.pack()))
    return verify.read_log(pack, verify.check_files(pack)).story.authority


def test_first_keys_and_keys_signed_by_an_older_one_count_at_once(db: None, settled: Settled, tmp_path: Path) -> None:
    office: Office = settled(opened, tmp_path)
    assert not EnrolledKey.objects.filter(counts_from_at__isnull=False).exists()
    assert {row.get("counts_from", "") for row in replay().keys.values()} == {""}
    office.approve()
    assert office.judged() == (str(office.jonas.subject),)


def test_its_owner_and_every_manager_are_told_from_when_it_counts(office: Office) -> None:
    key = new_key(office)
    told = Notice.objects.filter(kind="key.enrolled", facts__fingerprint=key.fingerprint)
    assert {row.person for row in told} == {office.jonas, office.log.world.mira}
    assert {row.facts["counts"] for row in told} == {f"{key.counts_from_at:%Y-%m-%d %H:%M} UTC"}
