"""Erasing: two people, a visible hole, and everything else still verifies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import verify
from procedures.evidence.models import Disclosure, ErasableKey, Event
from procedures.evidence.record import disclosed, pseudonym
from procedures.evidence.verify import Failed
from procedures.models import ControlChange, Person
from procedures.services import controls, discussions, leavers, people
from procedures.services.unit import SecondPersonRequired
from tests.evidence.conftest import Log
from tests.evidence.test_packs import repaired
from tests.factories.transitions import unevidenced

pytestmark = pytest.mark.ordinary

BASIS = {"basis": "GDPR art. 17", "requested_by": "ticket 4711"}


def second(log: Log, name: str = "magda") -> Person:
    """Another access manager with a key."""
    row = log.world.person(name, key=True)
    log.world.may(row, "manage_access")
    return row


def erased(log: Log, by: Person, **object: Any) -> ControlChange:
    change = log.world.propose("redaction", {**BASIS, **object})
    return controls.confirm(
        actor=by, change=change.id, signature=log.world.signed(by.username, bytes(change.statement)), at=now()
    )


def requested(log: Log) -> Event:
    return Event.objects.get(run=log.run.id, kind="run.requested")


@pytest.fixture
def told(log: Log) -> Log:
    """The run's reason is a canary that the pack shows until it is erased."""
    quinn = Person.objects.get(username="quinn")
    assert log.run.requester_id == quinn.pk
    return log


def test_an_erased_reason_is_gone_everywhere_and_the_pack_still_verifies(told: Log) -> None:
    assert b'"/reason"' in told.pack()
    other, event = second(told), requested(told)
    erased(told, other, event=str(event.id), paths=["/reason"])
    data = told.pack()
    found = verify.verify(data, told.key)
    assert (found["verdict"], found["erased"]) == (
        "SIGNED",
        [{"event": str(event.id), "values": 1, "paths": ["/reason"]}],
    )
    told.run.refresh_from_db()
    assert told.run.reason == "(erased)"
    assert b'"a test"' not in bytes(told.run.plan)
    assert disclosed(Disclosure.objects.get(event=event)) is None


def test_one_person_cannot_erase_and_nothing_is_lost_while_it_waits(told: Log) -> None:
    event = requested(told)
    change = told.world.propose("redaction", {**BASIS, "event": str(event.id), "paths": ["/reason"]})
    assert change.state == ControlChange.State.PROPOSED
    with pytest.raises(SecondPersonRequired):
        controls.confirm(
            actor=told.world.mira,
            change=change.id,
            signature=told.world.signed("mira", bytes(change.statement)),
            at=now(),
        )
    assert verify.verify(told.pack(), told.key)["erased"] == []
    assert disclosed(Disclosure.objects.get(event=event)) is not None


def test_a_value_erased_behind_the_portals_back_fails_the_pack(told: Log) -> None:
    Disclosure.objects.filter(event=requested(told)).update(sealed=None)
    with pytest.raises(Failed, match="withholds a value without a redaction event"):
        told.pack()


def test_a_value_taken_out_of_a_pack_fails_it_even_if_another_one_was_erased(told: Log) -> None:
    """Two values of one event; one is erased for good reason, the exporter hides the other one beside it."""
    event = Event.objects.filter(kind="person.made").first()
    if event is None:
        people.invite_person(actor=told.world.mira, username="nora", name="Nora N", email="", at=now())
        event = Event.objects.get(kind="person.made")
    erased(told, second(told), event=str(event.id), paths=["/name"])
    members = verify.unzip(told.pack())
    [name] = [name for name in members if name.startswith("disclosures/")]
    lines = members[name].splitlines(keepends=True)
    of_event = set(json.loads(bytes(event.body))["sd"])
    [shown] = [n for n, line in enumerate(lines) if verify.sha256(line[:-1]) in of_event]
    assert len(verify.verify(verify.zip_bytes(members), told.key)["erased"]) == 1
    rest = lines[:shown] + lines[shown + 1 :]
    with pytest.raises(Failed, match="withholds a value"):
        verify.verify(repaired(members, **{name: b"".join(rest)}), told.key)


def test_a_redaction_written_by_one_hand_erases_nothing_that_verifies(told: Log) -> None:
    """A database administrator writes the control event with one signature and wipes the value."""
    event = requested(told)
    object = {**BASIS, "event": str(event.id), "paths": ["/reason"]}
    change = told.world.propose("redaction", object)
    with unevidenced():
        ControlChange.objects.filter(pk=change.id).update(state="confirmed")
    authority = verify.Authority()
    row = change.signatures[0]
    assert "two people" in authority.lacks("redaction", object, {"sigs": [row]}, "")
    authority.control(7, {"control": "redaction", "object": object, "sigs": [row], "change": str(change.id)}, "")
    assert (authority.redacted, authority.asserted[0][:2]) == ({}, (7, "redaction"))


def test_destroying_a_persons_key_erases_them_and_only_them(told: Log) -> None:
    quinn = Person.objects.get(username="quinn")
    before = pseudonym(quinn.subject)
    other = second(told)
    with pytest.raises(InvalidInput, match="close it first"):
        erased(told, other, subject=str(quinn.subject))
    leavers.close_person(actor=told.world.mira, person=quinn.subject, at=now())
    erased(told, other, subject=str(quinn.subject))
    quinn.refresh_from_db()
    assert (quinn.name, quinn.email, quinn.username) == ("(erased)", "", f"erased-{quinn.subject}")
    assert bytes(ErasableKey.objects.get(subject=quinn.subject).secret) == b""
    assert pseudonym(quinn.subject) == "erased" != before
    found = verify.verify(told.pack(), told.key)
    assert [row["paths"] for row in found["erased"]] == [["(everything about this person)"]]
    with pytest.raises(InvalidInput, match="erased already"):
        erased(told, other, subject=str(quinn.subject))


@pytest.mark.parametrize(
    ("object", "pointer"),
    [
        ({"event": "00000000-0000-0000-0000-000000000000", "paths": ["/reason"]}, "/object/event"),
        ({"paths": ["/reason"]}, "/object"),
        ({"subject": "00000000-0000-0000-0000-000000000000"}, "/object/subject"),
        ({"event": "EVENT", "paths": ["/reason", "/name"]}, "/object/paths/1"),
        ({"event": "EVENT", "paths": []}, "/object/paths"),
        ({"event": "EVENT", "paths": ["/reason"], "basis": ""}, "/object/basis"),
    ],
)
def test_bad_redactions_name_the_field(told: Log, object: dict[str, Any], pointer: str) -> None:
    object = {**BASIS, **object}
    if object.get("event") == "EVENT":
        object["event"] = str(requested(told).id)
    with pytest.raises(InvalidInput) as refusal:
        controls.propose(actor=told.world.mira, control="redaction", object=object, signature=None, at=now())
    assert pointer in [row[0] for row in refusal.value.problems]
    canon(object)


def test_an_erased_comment_is_gone_from_the_discussion_and_the_log_alike(told: Log) -> None:
    other = second(told)
    adam = told.world.person("adam")
    told.world.may(adam, "author")
    version = told.world.submit(adam, README__md=b"other words\n")
    row = discussions.comment(actor=adam, version=version.pk, body="canary 4711 @nobody", at=now())
    event = Event.objects.get(kind="review.commented")
    assert b"canary" in (disclosed(Disclosure.objects.get(event=event)) or b"")
    erased(told, other, event=str(event.id), paths=["/body"])
    row.refresh_from_db()
    assert (row.body, row.untold) == ("(erased)", [])
    assert disclosed(Disclosure.objects.get(event=event)) is None
