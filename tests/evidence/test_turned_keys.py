"""The log's key is changed by both keys; the old one, also in a thief's hands, is worth nothing beyond its range."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from procedures.domain.clock import now
from procedures.evidence import proofs, reigns, tiles, turning, verify
from procedures.evidence.check import check, kept_outside, outside
from procedures.evidence.cosigning import CosigningKey
from procedures.evidence.models import Checkpoint, Event, Leaf
from procedures.evidence.notes import ED25519, LogKey, checkpoint_text, load_key, read_verifier
from procedures.evidence.record import record
from procedures.evidence.sequence import LogWentBack, Sequencer
from procedures.evidence.turning import NotTurned
from procedures.evidence.verify import Failed, Turns
from procedures.evidence.witness import Witness
from procedures.evidence.witness_memory import Memory
from tests.api.test_served_log import HERE
from tests.evidence.conftest import Log
from tests.factories.witnesses import Logbook, logbook
from tests.second import turns as second
from tests.second.container import Refused


@dataclass(slots=True)
class Turned:
    """A log whose key was changed at `size`. `old` is what a thief has."""

    log: Log
    old: LogKey
    size: int
    path: Path

    @property
    def new(self) -> LogKey:
        return self.log.sequencer.key

    def turns(self) -> Turns:
        return Turns.read(json.dumps(turning.notes()).encode())


def turn(log: Log, path: Path) -> Turned:
    log.sequence()
    old, size = log.sequencer.key, Checkpoint.objects.order_by("-size").first().size  # type: ignore[union-attr]
    turning.ask(path, old.name, reason="the laptop with it was lost", by="ops")
    assert turning.turn(log.sequencer, path, now())
    log.sequencer = Sequencer(load_key(path, old.name), log.sequencer.published, log.sequencer.newest)
    return Turned(log, old, size, path)


@pytest.fixture
def turned(log: Log, tmp_path: Path, settings: Any) -> Turned:
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path / "public"
    settings.OPSPORTAL_PUBLIC_DIR.mkdir()
    log.sequencer.newest = settings.OPSPORTAL_PUBLIC_DIR / "checkpoint"
    published(log.sequencer.key, settings)
    found = turn(log, tmp_path / "log.key")
    published(log.sequencer.key, settings)
    return found


def published(key: LogKey, settings: Any) -> None:
    (settings.OPSPORTAL_PUBLIC_DIR / "evidence.pub").write_text(key.verifier + "\n")


def forged(turned: Turned) -> Checkpoint:
    """A checkpoint beyond its range by the old key, as whoever holds that and can write the database makes it."""
    with transaction.atomic():
        record("heartbeat", actor=None, at=now(), facts={})
    thief = Sequencer(turned.old, turned.path.with_suffix(".thief"))
    thief.compare = lambda last: None  # type: ignore[method-assign]
    thief.step(now())
    return Checkpoint.objects.order_by("-size").first()  # type: ignore[return-value]


def test_a_pack_over_the_change_verifies_with_any_of_its_keys_alone(turned: Turned) -> None:
    pack = turned.log.pack()
    for key in (turned.old, turned.new):
        found = verify.verify(pack, key.verifier)
        assert found["verdict"] == "SIGNED"
        row = {"index": turned.size, "former": turned.old.verifier, "key": turned.new.verifier}
        assert found["turned"] == [row]
        assert f"Key turned: leaf {turned.size}" in verify.told(found)
    assert (check(), list(outside(kept_outside()))) == ([], [])
    event = Event.objects.get(kind="log.key_turned")
    assert (event.leaf.index, json.loads(bytes(event.body))["reason"]) == (turned.size, "the laptop with it was lost")


def test_a_pack_from_before_the_change_says_what_it_needs(log: Log, tmp_path: Path, settings: Any) -> None:
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path
    before = log.pack()
    done = turn(log, tmp_path / "log.key")
    assert verify.verify(before, done.old.verifier)["verdict"] == "SIGNED"
    with pytest.raises(Failed, match="give --turns, or the key of that time"):
        verify.verify(before, done.new.verifier)
    assert verify.verify(before, done.new.verifier, turns=done.turns())["verdict"] == "SIGNED"


def test_the_key_is_changed_twice(turned: Turned) -> None:
    again = turn(turned.log, turned.path)
    pack = turned.log.pack()
    for key in (turned.old, again.old, again.new):
        assert len(verify.verify(pack, key.verifier)["turned"]) == 2
    with pytest.raises(Failed, match="another name or key"):
        verify.verify(pack, load_key(turned.path.with_suffix(".other"), turned.old.name).verifier)


def test_the_thief_s_own_history_is_refused_by_whoever_knows_of_the_change(
    log: Log, tmp_path: Path, settings: Any
) -> None:
    """The old key signs the log on as if nothing had been; that is a whole history, and only its range betrays it."""
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path
    log.sequence()
    old, size = log.sequencer.key, Checkpoint.objects.order_by("-size").first().size  # type: ignore[union-attr]
    new = load_key(tmp_path / "next.key", old.name)
    pack = log.pack()
    known = Turns.read(json.dumps([turning.both(old, new, size - 1)]).encode())
    assert verify.verify(pack, old.verifier)["verdict"] == "SIGNED", "who knows nothing else cannot tell"
    for key in (old, new):
        with pytest.raises(Failed, match=r"checkpoint\.end: is signed under another name or key than the log's for"):
            verify.verify(pack, key.verifier, turns=Turns.read(json.dumps([n for *_, n in known.rows]).encode()))
    proof = proofs.proof_of(Leaf.objects.get(index=0).event_id, body=True)
    assert verify.verify_entry(proof, old.verifier)["verdict"] == "SIGNED"
    with pytest.raises(Failed, match="another name or key"):
        verify.verify_entry(proof, old.verifier, turns=known)


def test_a_checkpoint_of_the_old_key_is_neither_served_nor_proven_with_nor_gone_on_from(turned: Turned) -> None:
    client = Client(**HERE)
    assert client.get("/evidence/log/turns").json() == turning.notes()
    assert client.get("/evidence/log/checkpoint").status_code == 200
    row = forged(turned)
    assert row.size > turned.size
    answer = client.get("/evidence/log/checkpoint")
    assert (answer.status_code, b"checkpoint-refused" in answer.content) == (409, True)
    for refused in (tiles.newest, lambda: proofs.proof_of(Leaf.objects.get(index=0).event_id, body=True)):
        with pytest.raises(reigns.CheckpointRefused):
            refused()
    with pytest.raises(LogWentBack, match="is not signed by the key that is here"):
        turned.log.sequencer.step(now())
    assert [one.kind for one in outside(kept_outside())] == ["checkpoint"]


@pytest.mark.parametrize("how", ["alone", "elsewhere", "by_a_stranger", "back_again"])
def test_a_change_that_the_database_claims_is_asserted_and_counts_for_nothing(turned: Turned, how: str) -> None:
    """Whoever can write the database, and holds the old key, would hand the log to a key of their own."""
    thief = load_key(turned.path.with_suffix(".own"), turned.old.name)
    turned.log.sequence()
    size = Checkpoint.objects.order_by("-size").first().size  # type: ignore[union-attr]
    note = turning.both(turned.new, thief, size)
    if how == "alone":
        note = turning.both(turned.new, turned.new, size).replace(turned.new.verifier, thief.verifier, 2)
    elif how == "elsewhere":
        note = turning.both(turned.new, thief, size + 7)
    elif how == "by_a_stranger":
        note = turning.both(turned.old, thief, size)
    elif how == "back_again":
        note = turning.both(turned.new, turned.old, size)
    facts = {"size": size, "former": "", "verifier": "", "note": note, "reason": "", "by": ""}
    with transaction.atomic():
        record("log.key_turned", actor=None, at=now(), facts=facts)
    found = verify.verify(turned.log.pack(), turned.old.verifier)
    assert [row["control"] for row in found["asserted"]] == ["log key"]
    assert len(found["turned"]) == 1
    assert len(turning.turns().rows) == 1


def test_strangers_who_can_write_events_lead_neither_readers_nor_the_portal_astray(
    log: Log, tmp_path: Path, settings: Any
) -> None:
    """A change between two keys of their own, in its place and before the true one: it led to the log's key nowhere."""
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path
    log.sequence()
    one, two = (load_key(tmp_path / name, log.sequencer.key.name) for name in ("one", "two"))
    size = Checkpoint.objects.order_by("-size").first().size  # type: ignore[union-attr]
    facts = {"size": size, "former": one.verifier, "verifier": two.verifier, "note": turning.both(one, two, size)}
    with transaction.atomic():
        record("log.key_turned", actor=None, at=now(), facts={**facts, "reason": "", "by": ""})
    before = log.pack()
    assert verify.verify(before, log.key)["turned"] == []
    assert turning.notes() == []
    done = turn(log, tmp_path / "log.key")
    published(done.new, settings)
    assert [row[2:4] for row in turning.turns().rows] == [(done.old.verifier, done.new.verifier)]
    after = log.pack()
    for key in (done.old, done.new):
        found = verify.verify(after, key.verifier)
        assert [row["key"] for row in found["turned"]] == [done.new.verifier]
        assert [(row["index"], row["control"]) for row in found["asserted"]] == [(size, "log key")]
    with pytest.raises(Failed, match="another name or key"):
        verify.verify(after, two.verifier)
    row = forged(done)
    assert not reigns.Reigns.published().hold(row.note), "the old key counts for no tree beyond the true change"


@pytest.mark.parametrize("stops_at", ["replace", "publish", "commit"])
def test_a_change_cut_short_is_brought_to_its_end(
    log: Log, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, stops_at: str
) -> None:
    settings.OPSPORTAL_PUBLIC_DIR, path = tmp_path, tmp_path / "log.key"
    log.sequence()
    old = log.sequencer.key
    made = turning.ask(path, old.name, reason="x", by="ops")
    assert turning.ask(path, old.name, reason="again", by="ops").verifier == made.verifier
    with monkeypatch.context() as patch:
        if stops_at == "commit":
            patch.setattr(Checkpoint.objects, "create", lambda **_: 1 / 0)
        elif stops_at == "publish":
            patch.setattr(Sequencer, "publish", lambda *_: 1 / 0)
        else:
            patch.setattr(Path, "unlink", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            turning.turn(log.sequencer, path, now())
    turning.settle(path, old.name)
    again = Sequencer(load_key(path, old.name), log.sequencer.published)
    if stops_at == "commit":
        assert again.key.verifier == old.verifier
        assert turning.turn(again, path, now())
        again = Sequencer(load_key(path, old.name), log.sequencer.published)
    assert again.key.verifier == made.verifier
    assert not turning.asked(path)
    assert Event.objects.filter(kind="log.key_turned").count() == 1
    log.sequencer = again
    assert verify.verify(log.pack(), old.verifier)["verdict"] == "SIGNED"


def test_a_change_is_asked_for_only_beside_the_key(tmp_path: Path) -> None:
    with pytest.raises(NotTurned, match="is not there"):
        turning.ask(tmp_path / "evidence", "x", reason="y", by="z")
    assert list(tmp_path.iterdir()) == []


def test_a_witness_holds_each_key_to_its_range(tmp_path: Path) -> None:
    book = logbook(tmp_path).grow(9)
    new = load_key(tmp_path / "next.key", book.key.name)
    notes = [turning.both(book.key, new, 4)]
    Memory.make(tmp_path)
    key = CosigningKey("w", load_key(tmp_path / "w.key", "w").private)
    logs = {book.key.name: [read_verifier(book.key.verifier, kind=ED25519)]}
    witness = Witness(key, Memory(tmp_path), logs, turns=Turns.read(json.dumps(notes).encode()))
    after = Logbook(new, book.leaves)
    assert [witness.add_checkpoint(after.body(0, 3)).status, witness.add_checkpoint(book.body(0, 3)).status] == [
        403,
        200,
    ]
    refused = witness.add_checkpoint(book.body(3, 5))
    assert (refused.status, "at that size" in refused.text) == (403, True)
    assert witness.add_checkpoint(after.body(3, 5)).status == 200
    assert witness.add_checkpoint(book.body(5, 9)).status == 403


def test_turns_that_no_two_keys_signed_are_refused(tmp_path: Path) -> None:
    one, two = (load_key(tmp_path / name, "x/log") for name in ("one", "two"))
    good = turning.both(one, two, 4)
    for bad in (
        {"a": 1},
        [1],
        [good.replace("\n4\n", "\n5\n")],
        [good.replace("\n4\n", "\n04\n")],
        [good.rstrip("\n").rpartition("\n")[0] + "\n"],
        [turning.both(one, one, 4)],
        [good, turning.both(one, load_key(tmp_path / "three", "x/log"), 4)],
        [good, turning.both(two, one, 9)],
        [one.sign(checkpoint_text("x/log", 4, b"0" * 32))],
    ):
        with pytest.raises(ValueError, match=r"turns|key"):
            Turns.read(json.dumps(bad).encode())
        with pytest.raises(Refused):
            second.read(json.dumps(bad))
    assert Turns.read(json.dumps([good, good]).encode()).at(one.verifier, 5) == two.verifier
    assert second.Chain(one.verifier).joined(second.read(json.dumps([good, good]))).at(5) == two.verifier
