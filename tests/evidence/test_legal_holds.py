"""Legal holds: what they cover is erased by no door and by no SQL; two people end one, and a pack tells of both."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from procedures.answers.drift import drift
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import verify
from procedures.evidence.models import Disclosure, ErasableKey
from procedures.evidence.record import disclosed
from procedures.evidence.verify import Failed
from procedures.issuer.replay import replay
from procedures.models import Artifact, ControlChange, LegalHold, LogChunk, Run
from procedures.queries import legal_holds as queries
from procedures.runner.erasing import Erasing
from procedures.services import artifacts, controls, leavers, legal_holds, redactions
from procedures.services.unit import SecondPersonRequired
from tests.evidence.conftest import Log
from tests.evidence.test_redaction import erased, requested, second
from tests.fixtures.parts import as_owner

pytestmark = pytest.mark.ordinary
CASE = {"basis": "Lawsuit 7 of 2026", "requested_by": "case 7"}


def held(log: Log, **names: str) -> LegalHold:
    change = log.world.propose("legal_hold", {**CASE, **names})
    assert change.state == ControlChange.State.CONFIRMED
    return LegalHold.objects.get(pk=change.pk)


def names_of(log: Log, what: str) -> dict[str, str]:
    day = timedelta(days=1)
    return {
        "run": {"run": str(log.run.pk)},
        "procedure": {"procedure": "hello"},
        "person": {"subject": str(log.run.requester.subject)},
        "period": {"from": moment(now() - day), "until": moment(now() + day)},
        "all of them": {"run": str(log.run.pk), "procedure": "hello", "from": moment(now() - day)},
    }[what]


@pytest.mark.parametrize("what", ["run", "procedure", "person", "period", "all of them"])
def test_what_a_hold_covers_is_erased_by_nobody_until_two_people_end_it(log: Log, what: str) -> None:
    other, event = second(log), requested(log)
    hold = held(log, **names_of(log, what))
    with pytest.raises(InvalidInput, match=r"under a legal hold .Lawsuit 7 of 2026."):
        erased(log, other, event=str(event.id), paths=["/reason"])
    leavers.close_person(actor=log.world.mira, person=log.run.requester.subject, at=now())
    with pytest.raises(InvalidInput, match="under a legal hold"):
        erased(log, other, subject=str(log.run.requester.subject))
    assert disclosed(Disclosure.objects.get(event=event)) is not None
    _ended(log, hold, other)
    erased(log, other, event=str(event.id), paths=["/reason"])
    assert disclosed(Disclosure.objects.get(event=event)) is None
    found = verify.verify(log.pack(), log.key)
    assert ([row["paths"] for row in found["erased"]], found["holds"]) == ([["/reason"]], [])


def _ended(log: Log, hold: LegalHold, other: Any) -> None:
    change = log.world.propose("legal_hold_end", {"hold": str(hold.pk), "reason": "The case is closed"})
    assert change.state == ControlChange.State.PROPOSED
    mine = log.world.signed("mira", bytes(change.statement))
    with pytest.raises(SecondPersonRequired):
        controls.confirm(actor=log.world.mira, change=change.id, signature=mine, at=now())
    theirs = log.world.signed(other.username, bytes(change.statement))
    controls.confirm(actor=other, change=change.id, signature=theirs, at=now())
    assert queries.live() == []


def test_a_redaction_that_was_proposed_before_the_hold_is_refused_when_it_is_confirmed(log: Log) -> None:
    other, event = second(log), requested(log)
    redaction = {"basis": "GDPR art. 17", "requested_by": "ticket", "event": str(event.id), "paths": ["/reason"]}
    change = log.world.propose("redaction", redaction)
    held(log, procedure="hello")
    signature = log.world.signed(other.username, bytes(change.statement))
    with pytest.raises(InvalidInput, match="under a legal hold"):
        controls.confirm(actor=other, change=change.id, signature=signature, at=now())
    assert disclosed(Disclosure.objects.get(event=event)) is not None


@pytest.mark.parametrize("names", [{"procedure": "restart-service"}, {"until": "2020-01-01T00:00:00.000000Z"}])
def test_a_hold_keeps_nothing_else(log: Log, names: dict[str, str]) -> None:
    other, event = second(log), requested(log)
    if "procedure" in names:
        log.world.accepted("restart-service")
    held(log, **names)
    erased(log, other, event=str(event.id), paths=["/reason"])
    found = verify.verify(log.pack(), log.key)
    assert (len(found["erased"]), [set(row) - {"hold", *CASE} for row in found["holds"]]) == (1, [set(names)])


def test_a_pack_shows_the_holds_that_live(log: Log) -> None:
    hold = held(log, procedure="hello")
    found = verify.verify(log.pack(), log.key)
    assert found["holds"] == [{**CASE, "procedure": "hello", "hold": str(hold.pk)}]
    assert "UNDER LEGAL HOLD: procedure hello (Lawsuit 7 of 2026)." in verify.told(found)


def test_the_sweeper_leaves_an_artifact_that_is_held_and_takes_it_afterwards(log: Log) -> None:
    row, hold = _artifact(log), held(log, run=str(log.run.pk))
    assert Erasing().round(at=now())["artifacts"] == 0
    row.refresh_from_db()
    assert bytes(row.content or b"") == b"what was seen"
    _ended(log, hold, second(log))
    assert Erasing().round(at=now())["artifacts"] == 1


def _artifact(log: Log) -> Artifact:
    """A file whose time is over, with the event that PostgreSQL asks of it."""
    task = log.run.tasks.first()
    assert task is not None
    one = artifacts.Kept("report", "text/plain", b"what was seen", False, 0)
    with as_owner(), transaction.atomic():
        artifacts.store(log.run, task, [one], now() - timedelta(days=1))
        row = Artifact.objects.get(name="report")
        artifacts.record("artifact.read", actor=None, at=now(), facts=artifacts._facts(row))
    return row


def test_whoever_writes_sql_erases_nothing_under_a_hold(log: Log) -> None:
    """Every table by which something covered could go, by update and by delete, as the owner of the schema."""
    event, row = requested(log), _artifact(log)
    subject = log.run.requester.subject
    with as_owner():
        LogChunk.objects.create(run=log.run, seq=10_000, stream="stdout", at=now(), text="what was printed")
    values, key = Disclosure.objects.filter(event=event), ErasableKey.objects.filter(subject=subject)
    attacks = [
        (values, {"sealed": None}),
        (values, {"sealed": b"other"}),
        (key, {"secret": b""}),
        (Artifact.objects.filter(pk=row.pk), {"content": None, "erased_at": now()}),
        (LogChunk.objects.filter(run=log.run), {"text": ""}),
        (Run.objects.filter(pk=log.run.pk), {"reason": "(erased)"}),
    ]
    hold = held(log, procedure="hello")
    for rows, change in attacks:
        with as_owner(), pytest.raises(IntegrityError, match="under a legal hold"), transaction.atomic():
            rows.update(**change)
    for rows in (values, key, LogChunk.objects.filter(run=log.run)):
        with as_owner(), pytest.raises(IntegrityError, match="under a legal hold"), transaction.atomic():
            rows._raw_delete(rows.db)
    for change in ({"procedure": None, "until_at": now()}, {"until_at": now() - timedelta(days=9)}):
        with as_owner(), pytest.raises(IntegrityError, match="cannot be rewritten"), transaction.atomic():
            LegalHold.objects.filter(pk=hold.pk).update(**change)
    with as_owner(), pytest.raises(IntegrityError, match="cannot be"), transaction.atomic():
        LegalHold.objects.filter(pk=hold.pk)._raw_delete("default")
    assert values.get().sealed is not None


def test_without_a_hold_the_same_sql_goes_through(log: Log) -> None:
    with as_owner():
        assert Disclosure.objects.filter(event=requested(log)).update(sealed=None) == 1


def test_a_hold_that_was_ended_by_sql_is_told_and_what_is_erased_then_fails_the_pack(log: Log) -> None:
    """A database administrator ends the hold in the table; two people, deceived, erase; the log knows of the hold."""
    other, event = second(log), requested(log)
    hold = held(log, procedure="hello")
    with as_owner(), transaction.atomic():
        artifacts.record("control.refused", actor=None, at=now(), facts={"control": "", "change": "", "reason": ""})
        LegalHold.objects.filter(pk=hold.pk).update(ended_at=now())
    assert [(one.kind, one.what) for one in drift(now())] == [("legal hold", str(hold.pk))]
    erased(log, other, event=str(event.id), paths=["/reason"])
    with pytest.raises(Failed, match="was erased while it was under a legal hold"):
        log.pack()
    with pytest.raises(Failed, match="was erased while it was under a legal hold"):
        verify.verify(log.pack(careless=True), log.key)


def test_one_hand_ends_no_hold_in_the_log(log: Log) -> None:
    hold = held(log, procedure="hello")
    object = {"hold": str(hold.pk), "reason": "in the way"}
    change = log.world.propose("legal_hold_end", object)
    authority = verify.Authority()
    authority.holds = {str(hold.pk): {"procedure": "hello"}}
    row = change.signatures[0]
    authority.control(7, {"control": "legal_hold_end", "object": object, "sigs": [row], "change": str(change.pk)}, "")
    assert (set(authority.holds), authority.asserted[0][:2]) == ({str(hold.pk)}, (7, "legal_hold_end"))
    assert set(replay().legal_holds) == {str(hold.pk)}


@pytest.mark.parametrize(
    ("object", "pointer"),
    [
        ({}, "/object"),
        ({"run": "00000000-0000-0000-0000-000000000000"}, "/object/run"),
        ({"subject": "00000000-0000-0000-0000-000000000000"}, "/object/subject"),
        ({"procedure": "nothing-here"}, "/object/procedure"),
        ({"from": "yesterday"}, "/object/from"),
        ({"from": "2026-13-41T00:00:00.000000Z"}, "/object/from"),
        ({"from": "2026-02-01T00:00:00.000000Z", "until": "2026-01-01T00:00:00.000000Z"}, "/object/until"),
        ({"procedure": "hello", "basis": ""}, "/object/basis"),
    ],
)
def test_bad_holds_name_the_field(log: Log, object: dict[str, str], pointer: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        log.world.propose("legal_hold", {**CASE, **object})
    assert pointer in [row[0] for row in refusal.value.problems]
    assert not LegalHold.objects.exists()


def test_the_register_is_for_auditors_and_managers(log: Log) -> None:
    hold = held(log, run=str(log.run.pk))
    client = APIClient()
    client.force_authenticate(log.world.mira)
    [row] = client.get("/api/v1/evidence/holds/").json()["results"]
    assert (row["id"], row["names"], row["ended_at"]) == (str(hold.pk), {"run": str(log.run.pk)}, None)
    client.force_authenticate(log.run.requester)
    assert client.get("/api/v1/evidence/holds/").status_code == 403
    live, past = legal_holds.register(actor=log.world.mira, at=now())
    assert ([one.pk for one in live], past) == ([hold.pk], [])
    assert redactions.problems({"event": str(requested(log).id), "paths": ["/reason"]}) != []
