"""What stands for a task's output in evidence, and the end of an output that is too long to be kept whole."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from procedures.domain.readable import Readable
from procedures.evidence.transcripts import Commitments, new_seed
from procedures.services.tasks import Line

TAIL = 65_536


@dataclass(slots=True)
class Transcript:
    """What is signed of a task's masked output: commitments to the lines that are kept, and how much there was."""

    kept: Commitments = field(default_factory=lambda: Commitments(new_seed()))
    total: int = 0
    whole: Any = field(default_factory=hashlib.sha256)

    def count(self, data: bytes) -> None:
        """Masked output, whether it is kept or not."""
        self.total += len(data)
        self.whole.update(data)

    def facts(self, readable: Readable) -> dict[str, Any]:
        """What the runner signs. The digest of everything is there where not everything is kept."""
        return {
            **self.kept.facts(),
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
