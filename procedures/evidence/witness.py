"""A C2SP witness (tlog-witness): it cosigns a log's checkpoint only if that extends what it saw before.

It knows neither Django nor the portal, since it runs in the hands of somebody who trusts neither.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from procedures.evidence.cosigning import CosigningKey
from procedures.evidence.notes import (
    ED25519,
    Head,
    Line,
    NoteRefused,
    Verifier,
    decimal,
    exact_base64,
    head_of,
    read_verifier,
    signed,
    split_note,
)
from procedures.evidence.tree import EMPTY, verify_consistency
from procedures.evidence.verify import Turns
from procedures.evidence.witness_memory import Memory, Seen, Step

PLAIN, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"
MOST_HASHES = 63
LARGEST_BODY = 64 * 1024
CLOCK_SLACK_S = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP. `told` is for the witness's own log, and empty where nothing happened."""

    status: int
    text: str
    kind: str = PLAIN
    told: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent: nothing of it is checked but its form. `text` are the bytes that are signed."""

    old: int
    proof: Sequence[bytes]
    head: Head
    text: str
    lines: Sequence[Line]


class NoRequest(ValueError):
    """A request that is not one of tlog-witness."""


class Witness:
    """`logs` maps each origin to the keys that sign for it, `turns` say at which sizes each of them does.

    Threads and processes may ask one memory at once.
    """

    def __init__(
        self,
        key: CosigningKey,
        memory: Memory,
        logs: Mapping[str, Sequence[Verifier]],
        clock: Callable[[], float] = time.time,
        turns: Turns | None = None,
    ) -> None:
        self._turns = turns or Turns()
        self.key, self.memory, self.logs, self.clock = key, memory, logs, clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to POST …/add-checkpoint, in the order of checks that the specification has."""
        try:
            asked = read_request(body)
        except NoRequest as problem:
            return Answer(400, f"This is no request of tlog-witness: {problem}.\n")
        keys = self.logs.get(asked.head.origin)
        if keys is None:
            return Answer(404, "This witness knows no log of that name.\n")
        mine = _lines_of(self._reigning(keys, asked.head.size), asked)
        if not mine:
            said = "No signature on the checkpoint is by a key that this witness knows for that log at that size.\n"
            return Answer(403, said)
        if asked.old > asked.head.size:
            return Answer(400, "The old size is larger than the checkpoint.\n")
        try:
            with self.memory.step() as step:
                return self._judged(asked, mine, step)
        except sqlite3.Error as problem:
            return Answer(500, "The witness cannot remember, so it signs nothing.\n", told=f"memory: {problem}")

    def _reigning(self, keys: Sequence[Verifier], size: int) -> list[Verifier]:
        """Those that sign a tree of this size; a key that was changed signs nothing beyond the change."""
        return [read_verifier(text, kind=ED25519) for text in {self._turns.at(key.text, size) for key in keys}]

    def _judged(self, asked: Asked, mine: Sequence[Line], step: Step) -> Answer:
        head, seen = asked.head, step.seen(asked.head.origin)
        at, size = int(self.clock()), seen.size if seen else 0
        if asked.old != size:
            return Answer(409, f"{size}\n", SIZE)
        if seen is not None and head.size == size and head.root != seen.root:
            note = asked.text + "\n" + "".join(line.text for line in mine)
            step.keep_fork(Seen(head.origin, head.size, head.root, note, at))
            return Answer(
                409,
                "The log signed another tree of this size before.\n",
                told=f"FORK of {head.origin} at {size}: both checkpoints are signed by the log, and kept here",
            )
        if not _extends(asked, seen.root if seen else EMPTY):
            return Answer(
                422,
                "The proof does not lead from the tree that was seen last to this one.\n",
                told=f"no proof from {size} to {head.size} of {head.origin}",
            )
        if seen is not None and at < seen.at - CLOCK_SLACK_S:
            return Answer(
                500, "This witness's clock went back, so it signs nothing.\n", told="set this machine's clock"
            )
        at = max(at, seen.at) if seen is not None else at
        line = self.key.cosign(asked.text, at)
        note = asked.text + "\n" + "".join(one.text for one in [*mine, line])
        step.keep(Seen(head.origin, head.size, head.root, note, at))
        return Answer(200, line.text, told=f"cosigned {head.size} of {head.origin}")

    def latest(self, digest: str) -> Answer:
        """The answer to GET …/DIGEST/checkpoint: what was cosigned last of the log whose origin has this SHA-256."""
        origin = {hashlib.sha256(origin.encode()).hexdigest(): origin for origin in self.logs}.get(digest)
        with self.memory.step() as step:
            seen = step.seen(origin) if origin is not None else None
        return Answer(200, seen.note) if seen else Answer(404, "This witness cosigned no checkpoint of that log.\n")


def read_request(body: bytes) -> Asked:
    """The parts of a request. Raises NoRequest."""
    try:
        head, _, note = body.decode().partition("\n\n")
    except ValueError as problem:
        raise NoRequest("it is not UTF-8") from problem
    first, *rows = head.split("\n")
    old, proof = decimal(first.removeprefix("old ")), [exact_base64(row) for row in rows]
    if old is None or not first.startswith("old "):
        raise NoRequest("its first line is not `old SIZE`")
    if len(rows) > MOST_HASHES or any(len(hash) != 32 for hash in proof):
        raise NoRequest(f"its proof is not at most {MOST_HASHES} hashes")
    try:
        text, lines = split_note(note)
        return Asked(old, proof, head_of(text), text, lines)
    except NoteRefused as problem:
        raise NoRequest(problem.message.rstrip(".")) from problem


def request_body(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """The other way round: what a log sends."""
    rows = [f"old {old}", *(base64.b64encode(hash).decode() for hash in proof)]
    return ("\n".join(rows) + "\n\n" + note).encode()


def _lines_of(keys: Sequence[Verifier], asked: Asked) -> list[Line]:
    """The signatures of the log itself; none where one that names a key of the log does not verify."""
    mine = [(line, key) for line in asked.lines for key in keys if line.is_of(key)]
    good = all(signed(key.raw, asked.text.encode(), line.signature) for line, key in mine)
    return [line for line, _ in mine] if good else []


def _extends(asked: Asked, root: bytes) -> bool:
    if asked.old == 0:
        return not asked.proof and (asked.head.size > 0 or asked.head.root == EMPTY)
    return verify_consistency(asked.old, asked.head.size, root, asked.head.root, asked.proof)
