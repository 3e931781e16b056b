"""What a runner signs of a task's output can be worked out again from what is kept of it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain.masking import Masker
from procedures.domain.readable import Readable
from procedures.domain.secrets import Secret
from procedures.engine.output import RunOutput, TaskIO
from procedures.engine.spool import Spool
from procedures.evidence.transcripts import CHUNK, Commitments
from procedures.services.tasks import Line

FIRST, SECOND = UUID(int=1), UUID(int=2)


class Kept:
    """What a database would hold."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.away = False

    def store(self, lines: Sequence[Line], counts: Readable, after: int) -> int:
        if self.away:
            raise OperationalError("gone")
        self.lines.extend(lines)
        return after + len(lines)

    def signed(self, task: UUID, seed: bytes) -> dict[str, Any]:
        found = Commitments(seed)
        for line in self.lines:
            if line.task == task:
                found.add(line.stream, line.text)
        return found.facts()


def of(output: RunOutput, task: UUID) -> TaskIO:
    return TaskIO(output, step="s", target="t", task=task, cancelled=threading.Event())


def fits(kept: Kept, io: TaskIO, task: UUID) -> bool:
    said = io.transcript.facts(io.readable)
    return {name: said[name] for name in ("root", "chunks", "seed")} == kept.signed(task, io.transcript.kept.seed)


def test_the_root_by_hand() -> None:
    found = Commitments(b"\x07" * 32)
    found.add("stdout", "a\n")
    found.add("stderr", "ö")
    chunk = '["stdout","a\\n"]\n["stderr","ö"]\n'.encode()
    salt = hashlib.sha256(b"\x07" * 32 + bytes(8)).digest()[:16]
    commitment = hashlib.sha256(salt + chunk).digest()
    assert found.facts() == {"root": commitment.hex(), "chunks": 1, "seed": hashlib.sha256(b"\x07" * 32).hexdigest()}


def test_nothing_printed_is_signed_as_nothing() -> None:
    empty = Commitments(b"s" * 32).facts()
    assert (empty["root"], empty["chunks"]) == (hashlib.sha256(b"").hexdigest(), 0)


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr", "system"]), st.text(max_size=200)), max_size=40))
def test_no_two_outputs_are_signed_alike(rows: list[tuple[str, str]]) -> None:
    """A line of another stream makes another output."""
    whole = Commitments(b"s" * 32)
    for stream, text in rows:
        whole.add(stream, text)
    told = whole.facts()
    for at, (stream, text) in enumerate(rows):
        other = Commitments(b"s" * 32)
        changed = [*rows[:at], ("stdout" if stream != "stdout" else "stderr", text), *rows[at + 1 :]]
        for row in changed:
            other.add(*row)
        assert other.facts() != told


def test_two_tasks_at_once_with_secrets_bytes_that_are_no_text_and_more_than_one_chunk() -> None:
    kept = Kept()
    masker = Masker()
    output = RunOutput(kept.store, masker)
    one, two = of(output, FIRST), of(output, SECOND)
    one.register_secret(Secret(b"hunter2-hunter2"))
    for number in range(3000):
        one.write("stdout", b"line %d hunter2-" % number)
        one.write("stdout", b"hunter2 \xff\x00\xc3")
        two.write("stderr", "zwölf Zeichen\n".encode())
        one.write("stderr", b"\xb6\n")
    one.close()
    two.close()
    output.flush()
    assert one.transcript.kept.facts()["chunks"] > 1
    assert fits(kept, one, FIRST)
    assert fits(kept, two, SECOND)
    assert not fits(kept, one, SECOND)
    assert "hunter2" not in "".join(line.text for line in kept.lines)


def test_beyond_the_limit_what_is_kept_is_what_is_signed() -> None:
    kept = Kept()
    output = RunOutput(kept.store, Masker(), limit=1000)
    io = of(output, FIRST)
    for number in range(3 * CHUNK // 20):
        io.write("stdout", b"%019d\n" % number)
    io.close()
    output.flush()
    said = io.transcript.facts(io.readable)
    assert io.readable.cut > 0
    assert len(said["sha256"]) == 64
    assert fits(kept, io, FIRST)


def test_what_there_was_no_room_to_keep_is_not_signed_as_kept() -> None:
    kept = Kept()
    output = RunOutput(kept.store, Masker())
    output._spool = Spool(memory=40, disk=100)
    io = of(output, FIRST)
    kept.away = True
    for number in range(50):
        io.write("stdout", b"%09d\n" % number)
    kept.away = False
    io.close()
    output.flush()
    assert 0 < sum(line.task == FIRST for line in kept.lines) < 50
    assert fits(kept, io, FIRST)


@pytest.mark.parametrize("damage", ["text", "stream", "order", "gone"])
def test_what_was_changed_afterwards_does_not_fit(damage: str) -> None:
    kept = Kept()
    output = RunOutput(kept.store, Masker())
    io = of(output, FIRST)
    io.write("stdout", b"one\n")
    io.write("stderr", b"two\n")
    io.close()
    output.flush()
    assert fits(kept, io, FIRST)
    first, second = kept.lines
    kept.lines = {
        "text": [Line(first.step, first.target, first.stream, first.at, "ONE\n", first.task), second],
        "stream": [Line(first.step, first.target, "stderr", first.at, first.text, first.task), second],
        "order": [second, first],
        "gone": [first],
    }[damage]
    assert not fits(kept, io, FIRST)
    assert json.dumps(io.transcript.facts(io.readable)), "what is signed is data"
