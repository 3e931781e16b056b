"""A witness cosigns what only grows, answers as tlog-witness says, and never goes back, whatever happens to it."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsportal.cli.main import main
from procedures.evidence import tree, witness_home
from procedures.evidence.cosigning import CosigningKey, cosigned_at
from procedures.evidence.notes import (
    COSIGNATURE,
    ED25519,
    KeyRefused,
    Line,
    NoteRefused,
    head_of,
    open_note,
    read_verifier,
    split_note,
)
from procedures.evidence.witness import Witness, request_body
from procedures.evidence.witness_memory import FILE, Memory, MemoryLost, Seen
from tests.factories.witnesses import NAME, Logbook, cosigned, logbook

# Public examples of C2SP: the text of tlog-checkpoint and tlog-cosignature, whose private keys nobody has.
LOG_LINE = "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8="
WITNESS_LINE = (
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
)
EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    f"\u2014 example.com/behind-the-sofa {LOG_LINE}\n\u2014 witness.example.com/w1 {WITNESS_LINE}\n"
)


@pytest.fixture
def book(tmp_path: Path) -> Logbook:
    return logbook(tmp_path).grow(5)


@pytest.fixture
def one(tmp_path: Path, book: Logbook) -> Witness:
    witness_home.make(tmp_path / "w", NAME)
    logs = {book.key.name: [read_verifier(book.key.verifier, kind=ED25519)]}
    return Witness(witness_home.load(tmp_path / "w"), Memory(tmp_path / "w"), logs)


def test_the_public_example_of_a_cosignature_is_read_as_it_is_meant() -> None:
    text, lines = split_note(EXAMPLE)
    head = head_of(text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert [line.name for line in lines] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert struct.unpack(">Q", lines[1].signature[:8]) == (1679315147,)
    assert len(lines[1].signature) == 72
    assert text + "\n" + "".join(line.text for line in lines) == EXAMPLE


def test_public_keys_and_notes_of_others_are_read_as_they_wrote_them() -> None:
    """The example of Go's sumdb/note, which signed-note describes, and a cosigner's key in use elsewhere."""
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    assert open_note(f"{text}\n\u2014 PeterNeumann {line}\n", key) == text
    with pytest.raises(NoteRefused):
        open_note(f"{text}\n\u2014 PeterNeumann {line}\n".replace("think", "thinK"), key)
    cosigner = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    assert read_verifier(cosigner, kind=COSIGNATURE).text == cosigner


def test_the_message_is_the_one_of_the_specification(one: Witness, book: Logbook) -> None:
    line = one.key.cosign("example.com/behind-the-sofa\n20852163\nCsUY\n", 1679315147)
    said = b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUY\n"
    one.key.private.public_key().verify(line.signature[8:], said)
    mark = hashlib.sha256(NAME.encode() + b"\n\x04" + one.key.verifier.raw).digest()[:4]
    assert (line.mark, line.signature[:8]) == (mark, struct.pack(">Q", 1679315147))


def test_it_cosigns_a_log_from_its_beginning_on(one: Witness, book: Logbook) -> None:
    verifier = one.key.verifier.text
    assert cosigned(one.add_checkpoint(book.body(0)).text, book.note(), verifier)
    book.grow(9)
    assert cosigned(one.add_checkpoint(book.body(5)).text, book.note(), verifier)
    assert cosigned(one.add_checkpoint(book.body(14)).text, book.note(), verifier), "the same again, with a newer time"
    latest = one.latest(hashlib.sha256(book.key.name.encode()).hexdigest())
    assert (latest.status, head_of(split_note(latest.text)[0]).size) == (200, 14)
    assert [line.name for line in split_note(latest.text)[1]] == [book.key.name, NAME]


def test_every_refusal_has_the_status_of_the_specification(one: Witness, book: Logbook, tmp_path: Path) -> None:
    one.add_checkpoint(book.body(0, 3))
    stranger = Logbook(logbook(tmp_path / "x", book.key.name).key, list(book.leaves))
    unknown = logbook(tmp_path, "elsewhere.example/log").grow(5)
    broken = book.note().replace("\n5\n", "\n4\n")
    both = book.note() + stranger.note().rpartition("\n\n")[2]
    assert stranger.key.verifier != book.key.verifier
    for body, status in [
        (unknown.body(0), 404),
        (stranger.body(3), 403),
        (request_body(3, book.proof(3), broken), 403),
        (book.body(6), 400),
        (book.body(0), 409),
        (book.body(2), 409),
        (request_body(3, [], book.note()), 422),
        (request_body(3, [*book.proof(3), b"\0" * 32], book.note()), 422),
        (request_body(3, book.proof(3)[1:], book.note()), 422),
        (request_body(3, [b"\0" * 32], book.note(3)), 422),
        (request_body(3, book.proof(3), both), 200),
    ]:
        answer = one.add_checkpoint(body)
        assert answer.status == status, (body, answer)
        assert (answer.kind == "text/x.tlog.size") == (status == 409)
        assert status != 409 or answer.text == "3\n"
    assert one.memory.all()[0].size == 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"old 3", b"old 03"),
        (b"old 3", b"old  3"),
        (b"old 3", b"old -3"),
        (b"old 3", "old \u0663".encode()),
        (b"old 3", b"new 3"),
        (b"old 3", b"old 99999999999999999999"),
        (b"old 3", b"old 9223372036854775808"),
        (b"\n\n", b"\n"),
        (b"=\n\n", b"\n\n"),
        (b"old 3\n", b"old 3\nAAAA\n"),
        (b"old 3\n", b"old 3\n" + b"A" * 43 + b"B\n"),
        (b"old 3\n", b"old 3\n" + b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n" * 64),
        (b"old 3\n", b"old 3\r\n"),
        (b"\n5\n", b"\n05\n"),
        (b"\n5\n", b"\n+5\n"),
        (b"\n5\n", b"\n9223372036854775808\n"),
        (b"\n5\n", b"\n5\n\x00\n"),
        (b"\xe2\x80\x94", b"-"),
        (b"\xe2\x80\x94", b"\xe2\x80"),
        (b"ops.example/evidence/log\n", b"\n"),
    ],
)
def test_a_request_that_is_not_in_its_one_form_is_refused(one: Witness, book: Logbook, old: bytes, new: bytes) -> None:
    one.add_checkpoint(book.body(0, 3))
    body = book.body(3)
    assert old in body
    assert one.add_checkpoint(body.replace(old, new, 1)).status == 400
    assert one.add_checkpoint(body[:-1]).status == 400
    assert one.add_checkpoint(body).status == 200


def test_a_fork_of_the_same_size_is_refused_and_kept_as_proof(one: Witness, book: Logbook, tmp_path: Path) -> None:
    one.add_checkpoint(book.body(0))
    fork = Logbook(book.key, book.leaves[:4]).grow(1, "another")
    answer = one.add_checkpoint(request_body(5, [], fork.note()))
    assert (answer.status, answer.kind) == (409, "text/plain; charset=utf-8")
    assert "FORK" in answer.told
    assert [row.note for row in one.memory.forks()] == [fork.note()]
    said = CliRunner().invoke(main, ["witness", "show", "--data", str(tmp_path / "w")])
    assert said.exit_code == 1
    assert fork.note() in said.output


def test_a_longer_fork_has_no_proof(one: Witness, book: Logbook) -> None:
    one.add_checkpoint(book.body(0))
    fork = Logbook(book.key, book.leaves[:4]).grow(6, "another")
    for proof in (fork.proof(5), book.grow(5).proof(5), [], [tree.root_of(book.leaves[:5]), *fork.proof(5)]):
        assert one.add_checkpoint(request_body(5, proof, fork.note())).status == 422
    assert one.memory.all()[0].size == 5
    assert one.memory.forks() == [], "that a proof is wrong proves nothing by itself"


def test_an_empty_tree_has_the_root_of_an_empty_tree(one: Witness, book: Logbook) -> None:
    empty = Logbook(book.key)
    wrong = book.key.sign(f"{book.key.name}\n0\nQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n")
    assert one.add_checkpoint(request_body(0, [], wrong)).status == 422
    assert one.add_checkpoint(empty.body(0)).status == 200
    assert one.add_checkpoint(book.body(0)).status == 200
    assert one.add_checkpoint(request_body(5, [], wrong)).status == 400


def test_a_clock_that_went_back_signs_nothing(one: Witness, book: Logbook) -> None:
    one.clock = lambda: 2_000_000_000.0
    assert one.add_checkpoint(book.body(0)).status == 200
    one.clock = lambda: 1_999_999_990.0
    answer = one.add_checkpoint(book.grow(1).body(5))
    assert split_note(book.note() + answer.text)[1][-1].signature[:8] == struct.pack(">Q", 2_000_000_000)
    one.clock = lambda: 1_999_990_000.0
    assert one.add_checkpoint(book.grow(1).body(6)).status == 500
    assert one.memory.all()[0].size == 6


def test_the_memory_itself_refuses_a_step_back(one: Witness, book: Logbook) -> None:
    one.add_checkpoint(book.body(0))
    seen = one.memory.all()[0]
    for back in (
        Seen(seen.origin, 4, seen.root, "", seen.at),
        Seen(seen.origin, 5, b"\0" * 32, "", seen.at),
        Seen(seen.origin, 5, seen.root, "", seen.at - 1),
    ):
        with pytest.raises(sqlite3.IntegrityError, match="never goes back"), one.memory.step() as step:
            step.keep(back)
    with sqlite3.connect(one.memory.path) as link, pytest.raises(sqlite3.IntegrityError, match="never goes back"):
        link.execute("DELETE FROM seen")
    assert one.memory.all() == [seen]


def test_nothing_is_cosigned_that_cannot_be_remembered(one: Witness, book: Logbook) -> None:
    one.add_checkpoint(book.body(0))
    with sqlite3.connect(one.memory.path) as link:
        link.execute("CREATE TRIGGER full BEFORE UPDATE ON seen BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    assert one.add_checkpoint(book.grow(1).body(5)).status == 500
    with sqlite3.connect(one.memory.path) as link:
        link.execute("DROP TRIGGER full")
    assert one.add_checkpoint(book.body(5)).status == 200


def test_a_witness_without_its_memory_or_with_another_key_does_not_start(tmp_path: Path, book: Logbook) -> None:
    first = witness_home.make(tmp_path / "w", NAME)
    assert witness_home.make(tmp_path / "w", NAME) == first
    with pytest.raises(witness_home.WitnessRefused, match="one folder holds one witness"):
        witness_home.make(tmp_path / "w", "other")
    with pytest.raises(witness_home.WitnessRefused, match="no name"):
        witness_home.make(tmp_path / "w", "a b")
    (tmp_path / "w" / FILE).rename(tmp_path / "lost")
    assert witness_home.make(tmp_path / "w", NAME) == first, "and no new memory for an old key"
    words = ["witness", "--data", str(tmp_path / "w"), "--log", book.key.verifier]
    said = CliRunner().invoke(main, words)
    assert isinstance(said.exception, SystemExit)
    assert "is not there" in said.output
    with pytest.raises(MemoryLost):
        Memory(tmp_path / "w")
    (tmp_path / "lost").rename(tmp_path / "w" / FILE)
    witness_home.make(tmp_path / "v", NAME)
    shutil.copy(tmp_path / "v" / "key", tmp_path / "w" / "key")
    with pytest.raises(witness_home.WitnessRefused, match="of two witnesses"):
        witness_home.load(tmp_path / "w")
    own = witness_home.load(tmp_path / "v").verifier
    with pytest.raises(witness_home.WitnessRefused, match="cannot be its witness"):
        witness_home.serve(tmp_path / "v", ("127.0.0.1", 0), {"x": [type(own)("x", ED25519, own.raw)]}, lambda: None)


def test_keys_are_taken_in_their_one_form(tmp_path: Path, book: Logbook, one: Witness) -> None:
    good = book.key.verifier
    file = tmp_path / "logs"
    file.write_text(f"# ours\n{good}\n\nother.example/log={good}\n")
    found = witness_home.logs_of([str(file), good])
    assert {name: len(keys) for name, keys in found.items()} == {book.key.name: 1, "other.example/log": 1}
    name, mark, key = good.split("+", 2)
    for bad in (
        f"{name}+{mark[:-1]}0+{key}" if mark[-1] != "0" else f"{name}+{mark[:-1]}1+{key}",
        f"{name}x+{mark}+{key}",
        f"{name}+{mark.upper()}x+{key}",
        f"{name}+{mark}+{key[:-4]}",
        good.replace("/", " "),
        one.key.verifier.text,
    ):
        with pytest.raises(KeyRefused):
            read_verifier(bad, kind=ED25519)
    with pytest.raises(witness_home.WitnessRefused, match="neither a key nor a file"):
        witness_home.logs_of([str(tmp_path / "nowhere")])
    line = one.key.cosign(book.note(), 5)
    key4 = one.key.verifier
    for wrong in (
        Line(line.name, line.mark, line.signature[:-1]),
        Line(line.name, line.mark, b"\xff" * 8 + line.signature[8:]),
        Line(line.name, line.mark, b"\0" * 7 + b"\x06" + line.signature[8:]),
        Line("x", line.mark, line.signature),
        Line(line.name, b"1234", line.signature),
    ):
        assert cosigned_at(wrong, key4, book.note()) is None
    assert cosigned_at(line, CosigningKey(NAME, one.key.private).verifier, book.note()) is not None
