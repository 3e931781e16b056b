"""What a runner signs of a task's output: the root over commitments to its lines, which anybody can work out again.

A line is `[stream, text]` in canonical JSON and a newline, as it is kept; a chunk is 64 KiB of lines, one after
another. A commitment is SHA-256(salt || chunk), and the salt of chunk i the first 16 bytes of SHA-256(seed || i in 8
bytes). The seed is the task's own and lies with its output, and its digest is signed too: where it was destroyed,
commitments tell nothing of what they held, and it can be replaced by no other.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.canonical import canon
from procedures.evidence.tree import root_of

TYPE = "opsportal/output/v1"  # a file of them: what they are of, then `task line` for each
CHUNK = 65_536
SEED = 32


def new_seed() -> bytes:
    return os.urandom(SEED)


def line(stream: str, text: str) -> bytes:
    """One line as it is committed to."""
    return canon([stream, text]) + b"\n"


@dataclass(slots=True)
class Commitments:
    """Grows with the lines of one task, in their order."""

    seed: bytes
    hashes: list[bytes] = field(default_factory=list)
    _buffer: bytearray = field(default_factory=bytearray)

    def add(self, stream: str, text: str) -> None:
        self._buffer += line(stream, text)
        while len(self._buffer) >= CHUNK:
            self._commit(bytes(self._buffer[:CHUNK]))
            del self._buffer[:CHUNK]

    def facts(self) -> dict[str, Any]:
        """What is signed of them; no line comes after it."""
        if self._buffer:
            self._commit(bytes(self._buffer))
            self._buffer.clear()
        seed = hashlib.sha256(self.seed).hexdigest()
        return {"root": root_of(self.hashes).hex(), "chunks": len(self.hashes), "seed": seed}

    def _commit(self, chunk: bytes) -> None:
        salt = hashlib.sha256(self.seed + len(self.hashes).to_bytes(8, "big")).digest()[:16]
        self.hashes.append(hashlib.sha256(salt + chunk).digest())
