"""What stands for a task's output in evidence, and the end of an output that is too long to be kept whole."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from procedures.domain.readable import Readable
from procedures.evidence.tree import root_of
from procedures.services.tasks import Line

CHUNK = 65_536
TAIL = 65_536


@dataclass(slots=True)
class Transcript:
    """Commitments over chunks of at most 64 KiB of masked output: SHA-256(salt || chunk), and their Merkle root."""

    commitments: list[bytes] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)
    total: int = 0
    whole: Any = field(default_factory=hashlib.sha256)

    def add(self, data: bytes) -> None:
        self.buffer += data
        self.total += len(data)
        self.whole.update(data)
        while len(self.buffer) >= CHUNK:
            self._commit(bytes(self.buffer[:CHUNK]))
            del self.buffer[:CHUNK]

    def _commit(self, chunk: bytes) -> None:
        self.commitments.append(hashlib.sha256(os.urandom(16) + chunk).digest())

    def facts(self, readable: Readable) -> dict[str, Any]:
        """What the runner signs. The digest of everything is there where not everything is kept."""
        if self.buffer:
            self._commit(bytes(self.buffer))
            self.buffer.clear()
        return {
            "root": root_of(self.commitments).hex(),
            "chunks": len(self.commitments),
            "bytes": self.total,
            "readable": readable.facts(),
            **({"sha256": self.whole.hexdigest()} if readable.cut else {}),
        }


@dataclass(slots=True)
class Tail:
    """The last lines of one task's output beyond the limit; `left_out` counts the bytes before them."""

    lines: deque[Line] = field(default_factory=deque)
    held: int = 0
    left_out: int = 0

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.held += len(line.text.encode())
        self.fit(TAIL)

    def fit(self, most: int) -> None:
        """Let go of the oldest bytes beyond `most`, in whole characters."""
        while (over := self.held - most) > 0:
            first = self.lines.popleft()
            data = first.text.encode()
            if kept := data[over:].decode(errors="ignore"):
                self.lines.appendleft(replace(first, text=kept))
            lost = len(data) - len(kept.encode())
            self.held -= lost
            self.left_out += lost
