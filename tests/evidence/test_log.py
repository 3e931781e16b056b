"""The log: RFC 6962, append-only in the database itself, one sequencer, and no way back."""

from __future__ import annotations

from pathlib import Path

import pytest
import rfc8785
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain.canonical import NotCanonical, canon, parse
from procedures.domain.clock import now
from procedures.evidence import tree
from procedures.evidence.models import Checkpoint, Event, Leaf, RunCounter
from procedures.evidence.notes import NoteRefused, checkpoint_text, load_key, open_note
from procedures.evidence.record import NotRecordable, record
from procedures.evidence.sequence import LogWentBack, load_frontier
from tests.evidence.conftest import Log

HASHES = [tree.leaf_hash(bytes([i])) for i in range(140)]


def by_definition(hashes: list[bytes]) -> bytes:
    if not hashes:
        return tree.EMPTY
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return tree.node_hash(by_definition(hashes[:k]), by_definition(hashes[k:]))


def test_every_proof_up_to_seventy_leaves_agrees_with_the_definition() -> None:
    for n in range(71):
        root = by_definition(HASHES[:n])
        assert tree.root_of(HASHES[:n]) == root
        cut = tree.ranges(HASHES[:n])
        for m in range(n):
            assert tree.verify_inclusion(HASHES[m], m, n, tree.inclusion(m, n, cut), root)
            assert not tree.verify_inclusion(HASHES[m], m, n, tree.inclusion(m, n, cut), tree.EMPTY)
            assert tree.verify_consistency(m, n, by_definition(HASHES[:m]), root, tree.consistency(m, n, cut))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_canonical_bytes_are_those_of_rfc_8785(value: object) -> None:
    assert canon(value) == rfc8785.dumps(value)  # type: ignore[arg-type]
    assert parse(canon(value)) == value


@pytest.mark.parametrize("bad", [1.5, 2**53, "\ud800", {"ü": 1}, {1: 2}, b"x", float("nan")])
def test_what_has_no_canonical_form_is_refused(bad: object) -> None:
    with pytest.raises(NotCanonical):
        canon(bad)


def test_the_database_refuses_to_change_or_delete_evidence(log: Log) -> None:
    log.sequence()
    for statement in (
        "UPDATE evidence_event SET kind = 'x'",
        "DELETE FROM evidence_leaf",
        "DELETE FROM evidence_event",
        "UPDATE evidence_checkpoint SET note = 'x'",
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert Leaf.objects.count() == Event.objects.count()


def test_tiles_give_the_same_root_as_the_leaves(log: Log) -> None:
    log.sequence()
    hashes = [bytes(h) for h in Leaf.objects.order_by("index").values_list("leaf_hash", flat=True)]
    last = Checkpoint.objects.get(pk=len(hashes))
    assert bytes(last.root) == tree.root_of(hashes) == load_frontier(len(hashes)).root()
    assert open_note(last.note, log.key).split("\n")[1] == str(len(hashes))


def test_a_restored_older_database_is_refused(log: Log) -> None:
    log.sequence()
    log.sequencer.published.write_text('{"size": 9999, "root": "00"}')
    with pytest.raises(LogWentBack, match="A checkpoint of size 9999 was published"):
        log.sequencer.step(now())


def test_a_sealed_run_takes_no_further_event(log: Log) -> None:
    assert RunCounter.objects.get(pk=log.run.id).sealed
    with pytest.raises(NotRecordable, match="sealed"), transaction.atomic():
        record("run.cancel_asked", actor=None, facts={"reason": "late"}, at=now(), run=log.run.id)


@pytest.mark.parametrize(("kind", "facts"), [("no.such", {}), ("run.claimed", {"runner": "x"})])
def test_unknown_kinds_and_missing_facts_are_refused(db: None, kind: str, facts: dict[str, str]) -> None:
    with pytest.raises(NotRecordable), transaction.atomic():
        record(kind, actor=None, facts=facts, at=now())


def test_a_note_is_opened_by_its_own_key_alone(tmp_path: Path) -> None:
    key, other = load_key(tmp_path / "a", "x/log"), load_key(tmp_path / "b", "x/log")
    note = key.sign(checkpoint_text("x/log", 5, b"r" * 32))
    assert open_note(note, key.verifier).startswith("x/log\n5\n")
    for bad in (note.replace("\n5\n", "\n6\n"), note + "x", note.replace("x/log", "y/log"), note.partition("\n\n")[0]):
        with pytest.raises(NoteRefused):
            open_note(bad, key.verifier)
    with pytest.raises(NoteRefused):
        open_note(note, other.verifier)
