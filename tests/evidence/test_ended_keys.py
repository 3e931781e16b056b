"""A thief with a key that was ended, and with the database: what is signed after the end is a violation in any pack."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.models import Event
from procedures.evidence.verify import Failed
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import EnrolledKey
from procedures.services import controls
from tests.evidence.test_asserted import signed_by, written
from tests.evidence.test_passkeys import Office, opened
from tests.fixtures.settled import Settled

pytestmark = pytest.mark.once


@pytest.fixture
def office(db: None, settled: Settled, tmp_path: Path) -> Office:
    return settled(opened, tmp_path)


def end_his_key(office: Office) -> int:
    """Jonas' passkey is ended; the place of that in the log."""
    mark = EnrolledKey.objects.get(person=office.jonas, method="passkey").fingerprint
    change = office.log.world.propose("key_end", {"fingerprint": mark, "reason": "stolen"})
    office.log.sequence()
    ends = Event.objects.filter(kind="control.confirmed").order_by("-id")
    return next(e.leaf.index for e in ends if str(change.id).encode() in bytes(e.body))


def test_an_approval_signed_after_its_key_was_ended_is_a_violation_that_names_the_place(office: Office) -> None:
    place = end_his_key(office)
    statement = office.statement()
    office.written(statement, office.his.row(office.jonas, statement))
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        office.judged()
    with pytest.raises(Failed, match=f"by a key that had ended before, at leaf {place}$") as failed:
        verify.verify(office.log.pack(careless=True), office.log.key)
    assert failed.value.code == 1


def test_what_was_approved_before_the_end_of_the_key_stays_proven(office: Office) -> None:
    office.approve()
    end_his_key(office)
    assert office.judged() == (str(office.jonas.subject),)
    found = verify.verify(office.log.pack(), office.log.key)
    assert found["decisions"]["signed"] == 2
    assert not found["asserted"]


def test_a_change_signed_by_a_manager_whose_key_had_ended_stands_by_the_platforms_word_alone(office: Office) -> None:
    world = office.log.world
    nora = world.manager()
    for mark in EnrolledKey.objects.filter(person=world.mira).values_list("fingerprint", flat=True):
        world.propose("key_end", {"fingerprint": mark, "reason": "lost"}, by=nora)
    object: dict[str, Any] = {
        "principal": f"person:{office.jonas.subject}",
        "verbs": ["run"],
        "environments": ["production"],
        "not_before": moment(now()),
        "expires_at": moment(now() + timedelta(days=1)),
        "reason": "mine",
    }
    statement = canon(controls.statement_for(actor=world.mira, control="grant", object=object))
    change = written("grant", object, statement, (signed_by(world, world.mira, statement),))
    assert not replay().grants[change]["stands"]
    found = verify.verify(office.log.pack(), office.log.key)
    assert [row["control"] for row in found["asserted"]] == ["grant"]
