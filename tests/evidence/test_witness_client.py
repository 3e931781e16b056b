"""What a log believes of a witness: what is signed, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.evidence import tree
from procedures.evidence.cosigning import CosigningKey
from procedures.evidence.notes import ED25519, Head, read_verifier, split_note
from procedures.evidence.witness_client import Cosigned, HistoryDiffers, WitnessClient, WitnessFailed
from tests.factories.witnesses import Logbook, Running, Say, logbook, lying, running

SIZE, PLAIN = "text/x.tlog.size", "text/plain"
KEY = CosigningKey("w.example", Ed25519PrivateKey.from_private_bytes(b"w" * 32))
OTHER = CosigningKey("w.example", Ed25519PrivateKey.from_private_bytes(b"o" * 32))


@pytest.fixture
def book(tmp_path: Path) -> Logbook:
    return logbook(tmp_path).grow(5)


@pytest.fixture
def served(tmp_path: Path, book: Logbook) -> Iterator[Running]:
    with running(tmp_path / "w", [book.key.verifier]) as found:
        yield found


def client(url: str, book: Logbook, key: CosigningKey = KEY) -> WitnessClient:
    return WitnessClient("w1", key.verifier, url, read_verifier(book.key.verifier, kind=ED25519))


def real(served: Running, book: Logbook) -> WitnessClient:
    verifier = read_verifier(served.verifier, kind=b"\x04")
    return WitnessClient("w1", verifier, served.url + "/", read_verifier(book.key.verifier, kind=ED25519))


def submit(one: WitnessClient, book: Logbook, size: int | None = None) -> Cosigned:
    size = len(book.leaves) if size is None else size
    head = Head(book.key.name, size, tree.root_of(book.leaves[:size]))
    return one.submit(book.note(size), head, lambda old, new: tree.consistency(old, new, tree.ranges(book.leaves)))


def test_a_real_witness_is_asked_from_where_it_stands(served: Running, book: Logbook) -> None:
    one = real(served, book)
    assert submit(one, book).old == 0
    assert submit(real(served, book), book.grow(7)).old == 5, "a client that knows nothing learns the size"
    assert submit(one, book).old == 12, "and so does one that knew an older one"
    shown = one.seen()
    assert shown == Head(book.key.name, 12, tree.root_of(book.leaves))


def test_a_fork_is_told_with_the_proof_that_the_log_itself_signed(served: Running, book: Logbook) -> None:
    submit(real(served, book), book)
    for fork in (
        Logbook(book.key, book.leaves[:4]).grow(1, "x"),
        Logbook(book.key, book.leaves[:4]).grow(9, "x"),
        Logbook(book.key, book.leaves[:3]),
        Logbook(book.key),
    ):
        with pytest.raises(HistoryDiffers, match="proven") as caught:
            submit(real(served, book), fork)
        assert caught.value.seen == Head(book.key.name, 5, tree.root_of(book.leaves))


def liar(say: Say) -> Say:
    return lambda method, path, body: say(method, path, body) if method == "POST" else (404, PLAIN, b"")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, PLAIN, b""), "without signature lines|without a cosignature"),
        ((200, PLAIN, b"yes\n"), "without signature lines"),
        ((200, PLAIN, b"\xff\xfe"), "does not answer"),
        ((404, PLAIN, b""), "answers 404: it does not know this log"),
        ((403, PLAIN, b""), "answers 403: it knows another key"),
        ((500, PLAIN, b""), "answers 500"),
        ((302, PLAIN, b""), "answers 302"),
        ((409, SIZE, b"0\n"), "answers 409"),
        ((200, PLAIN, b"x" * 40_000), "too much"),
        (None, "does not answer"),
    ],
)
def test_an_answer_that_proves_nothing_gives_no_cosignature(
    answer: tuple[int, str, bytes] | None, why: str, book: Logbook
) -> None:
    with lying(liar(lambda *_: answer)) as url, pytest.raises(WitnessFailed, match=why):
        submit(client(url, book), book)


def test_a_cosignature_by_another_key_or_of_another_checkpoint_is_none(book: Logbook) -> None:
    text = split_note(book.note())[0]
    lines = [OTHER.cosign(text, 5), KEY.cosign(text + "x\n", 5), KEY.cosign(text.replace("\n5\n", "\n4\n"), 5)]
    said = "".join(line.text for line in lines).encode()
    with lying(liar(lambda *_: (200, PLAIN, said))) as url, pytest.raises(WitnessFailed, match="by the key"):
        submit(client(url, book), book)
    mixed = said + KEY.cosign(text, 7).text.encode()
    with lying(liar(lambda *_: (200, PLAIN, mixed))) as url:
        assert submit(client(url, book), book).line == KEY.cosign(text, 7), "lines of strangers are passed over"


def test_a_bare_word_of_another_history_is_told_as_such(book: Logbook, tmp_path: Path) -> None:
    for answer in ((409, SIZE, b"99\n"), (409, PLAIN, b""), (422, PLAIN, b"")):
        with lying(liar(lambda *_, answer=answer: answer)) as url:  # type: ignore[misc]
            with pytest.raises(HistoryDiffers, match="without a proof") as caught:
                submit(client(url, book), book)
            assert caught.value.seen is None
    stranger = logbook(tmp_path, "elsewhere.example/log").grow(99)
    shown = stranger.note().encode()

    def shows(method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        return (409, SIZE, b"99\n") if method == "POST" else (200, PLAIN, shown)

    with lying(shows) as url, pytest.raises(HistoryDiffers, match="without a proof"):
        submit(client(url, book), book)


def test_a_witness_that_says_another_size_each_time_is_not_asked_for_ever(book: Logbook) -> None:
    asked: list[int] = []

    def says(method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        asked.append(1)
        return 409, SIZE, b"%d\n" % (1 + len(asked) % 4)

    with lying(says) as url, pytest.raises(WitnessFailed, match="another size each time"):
        submit(client(url, book), book)
    assert len(asked) == 3


def test_a_witness_that_drips_is_left(book: Logbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procedures.evidence.witness_client.LONGEST_S", 0.5)

    def drips(method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        time.sleep(0.8)
        return 200, PLAIN, b"\xe2\x80\x94 x\n"

    begun = time.monotonic()
    with lying(drips) as url, pytest.raises(WitnessFailed, match="too slowly"):
        submit(client(url, book), book)
    assert time.monotonic() - begun < 5
