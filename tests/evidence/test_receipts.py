"""Receipts from the hand of who holds one: what is taken out before it is in the log is seen to be lost."""

# ruff: noqa: S608 - raw SQL is what is tried here
from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection, transaction

from opsportal.cli import receipts
from opsportal.cli.main import main
from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.evidence import receipts as made
from procedures.evidence import verify
from procedures.evidence.models import Event, Outbox
from procedures.evidence.record import record
from procedures.evidence.verify import Failed
from procedures.models import Person, Run
from procedures.services import tokens
from procedures.services.tokens import Reach
from tests.evidence.conftest import Log
from tests.factories.damage import unguarded


@pytest.fixture
def desk(log: Log, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Log]:
    """The terminal of whoever asked, in front of this very portal."""
    quinn = log.run.requester
    _, secret = tokens.make_token(actor=quinn, name="desk", days=1, at=now(), reach=Reach(verbs=("view", "run")))
    app = get_wsgi_application()

    def client() -> httpx.Client:
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.Client(transport=httpx.WSGITransport(app), base_url="http://localhost:8000", headers=headers)

    monkeypatch.setenv("OPSPORTAL_DATA_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr(receipts, "client", client)
    signals = (request_started, request_finished)
    for signal in signals:  # the portal answers inside this test's own connection, which is not to be closed
        signal.disconnect(close_old_connections)
    yield log
    for signal in signals:
        signal.connect(close_old_connections)


def asked(log: Log) -> tuple[Run, Path]:
    """A run that was asked for a moment ago, and the receipt that its requester kept."""
    run = log.world.ask(log.run.requester)
    path = receipts.keep(str(run.pk))
    assert path is not None
    return run, path


def held(path: Path, log: Log) -> Result:
    return CliRunner().invoke(main, ["evidence", "verify-receipt", str(path), "--log-key", log.key])


def aged(path: Path) -> None:
    """The same promise, made two minutes ago: header and body are its own, and nobody signed either."""
    said = json.loads(path.read_bytes())
    header = json.loads(said["header"]) | {"at": moment(now() - timedelta(minutes=2))}
    path.write_bytes(canon(said | {"header": canon(header).decode()}) + b"\n")


def late(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "_over", lambda value: True)


def test_a_promise_is_kept_at_once_and_proven_a_second_later(desk: Log) -> None:
    run, path = asked(desk)
    assert path.stat().st_mode & 0o777 == 0o600
    _, header, value, proof = verify.read_receipt("r", path.read_bytes())
    assert (value["k"], value["run"], proof) == ("run.requested", str(run.pk), None)
    assert bytes(Event.objects.get(run=run.pk, kind="run.requested").header) == header
    early = held(path, desk)
    assert (early.exit_code, "UNDETERMINED" in early.output) == (3, True)
    desk.sequence()
    done = held(path, desk)
    assert (done.exit_code, done.output.rstrip().rpartition("\n")[2]) == (0, "verdict: SIGNED"), done.output
    assert verify.verify_receipt(path.read_bytes(), desk.key)["body"]["no"] == run.no, "the file proves it alone now"
    assert CliRunner().invoke(main, ["evidence", "verify", str(path), "--log-key", desk.key]).exit_code == 0


def test_a_row_that_an_administrator_deletes_before_it_is_logged_is_lost_in_the_eyes_of_its_requester(
    desk: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, path = asked(desk)
    event = Event.objects.get(run=run.pk, kind="run.requested")
    with unguarded() as cursor:
        cursor.execute("DELETE FROM evidence_outbox WHERE event_id = %s", [_id(event)])
    desk.sequence()
    assert held(path, desk).exit_code == 3, "its minute is not over"
    late(path, monkeypatch)
    lost = held(path, desk)
    assert (lost.exit_code, "the log lacks it" in lost.output) == (1, True), lost.output
    with unguarded() as cursor:
        mine = "SELECT id FROM evidence_event WHERE run = %s"
        cursor.execute(f"DELETE FROM evidence_disclosure WHERE event_id IN ({mine})", [_id(run)])
        cursor.execute("DELETE FROM evidence_outbox WHERE event_id IN (" + mine + ")", [_id(run)])
        cursor.execute("DELETE FROM evidence_leaf WHERE event_id IN (" + mine + ")", [_id(run)])
        cursor.execute("DELETE FROM evidence_event WHERE run = %s", [_id(run)])
    gone = held(path, desk)
    assert (gone.exit_code, "the log lacks it" in gone.output) == (1, True), "nor does taking the event out help"


def test_a_promise_whose_minute_is_over_is_lost(desk: Log) -> None:
    run, path = asked(desk)
    Outbox.objects.filter(event__run=run.pk).delete()
    aged(path)
    assert held(path, desk).exit_code == 1


def test_a_pack_of_a_log_that_lost_an_event_fails_on_the_receipt_and_not_without_it(desk: Log, tmp_path: Path) -> None:
    run, path = asked(desk)
    Outbox.objects.filter(event__run=run.pk).delete()
    aged(path)
    pack = desk.pack(procedure="none")
    verify.verify(pack, desk.key)
    with pytest.raises(Failed, match="that the log lacks: it was lost or taken out"):
        verify.verify(pack, desk.key, receipts={"mine": path.read_bytes()})
    (tmp_path / "pack.zip").write_bytes(pack)
    words = [str(tmp_path / "pack.zip"), "--log-key", desk.key, "--receipt", str(path)]
    assert verify.main(words) == 1


def test_a_pack_holds_the_receipts_that_it_should_and_says_which_are_later(desk: Log) -> None:
    _, first = asked(desk)
    early = verify.verify(desk.pack(), desk.key, receipts={"first": first.read_bytes()})
    assert early["receipts"] == {"held": 1, "later": []}
    pack = desk.pack()
    _, second = asked(desk)
    found = verify.verify(pack, desk.key, receipts={"a": first.read_bytes(), "b": second.read_bytes()})
    assert found["receipts"] == {"held": 1, "later": ["b"]}
    assert "1 stand in this log, 1 are later" in verify.told(found)


def test_a_log_that_was_written_anew_by_whoever_holds_its_key_contradicts_a_proven_receipt(
    desk: Log, tmp_path: Path
) -> None:
    """Administrator and log key together: every hash and signature of the new log holds."""
    _, path = asked(desk)
    desk.sequence()
    assert held(path, desk).exit_code == 0
    with unguarded() as cursor:
        for table in ("leaf", "tile", "checkpoint", "outbox"):
            cursor.execute(f"DELETE FROM evidence_{table}")
        first, *rest = Event.objects.order_by("at", "id")
        with transaction.atomic():
            record("heartbeat", actor=None, facts={}, at=first.at)
        Outbox.objects.update(id=2)
        Outbox.objects.create(id=1, event=first)
        for event in rest:
            Outbox.objects.create(event=event)
    for known in tmp_path.glob("log.published*"):
        known.unlink()
    pack = desk.pack()
    verify.verify(pack, desk.key)
    anew = held(path, desk)
    assert (anew.exit_code, "written anew" in anew.output) == (1, True), anew.output
    with pytest.raises(Failed, match="written anew"):
        verify.verify(pack, desk.key, receipts={"mine": path.read_bytes()})


def test_who_neither_asked_nor_decided_is_handed_none_and_an_approver_gets_their_own(desk: Log) -> None:
    mira, quinn = desk.world.mira, desk.run.requester
    assert made.receipt_for(mira.subject, desk.run.pk) is None
    own = made.receipt_for(quinn.subject, desk.run.pk)
    assert own is not None
    assert own.kind == "run.requested"
    assert made.receipt_for(mira.subject, desk.run.pk, own.pk) is None, "nor is somebody else's"


@pytest.mark.parametrize("bent", ["body", "header", "proof", "type", "more"])
def test_a_receipt_that_was_altered_is_none(desk: Log, bent: str) -> None:
    _, path = asked(desk)
    desk.sequence()
    assert held(path, desk).exit_code == 0
    said = json.loads(path.read_bytes())
    if bent == "proof":
        other = Event.objects.filter(leaf__isnull=False).order_by("id")[0]
        said["proof"] = json.loads(made.receipt_bytes(other))["proof"]
    elif bent == "header":
        said["header"] = said["header"].replace("run.requested", "run.approved")
    elif bent == "body":
        said["body"] = said["body"].replace('"no":', '"on":')
    else:
        said["type"] = "opsportal/other/v1"
    path.write_bytes(canon(said) + (b"\n" if bent != "more" else b"\n{}"))
    with pytest.raises(Failed):
        verify.verify_receipt(path.read_bytes(), desk.key)
    assert held(path, desk).exit_code in (1, 2)


def test_the_portals_silence_is_told_as_that_and_nothing_is_lost(desk: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = asked(desk)
    before = path.read_bytes()
    monkeypatch.setattr(receipts, "_got", lambda path: (0, b""))
    silent = held(path, desk)
    assert (silent.exit_code, "does not answer" in silent.output) == (3, True)
    assert path.read_bytes() == before


def _id(row: Event | Run | Person) -> Any:
    return row.pk.hex if connection.vendor == "sqlite" else row.pk
