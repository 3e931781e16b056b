"""Masked output that waits for the database: in memory, and beyond a mebibyte in a file that nobody else can open."""

from __future__ import annotations

import json
import tempfile
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import IO
from uuid import UUID

from procedures.services.tasks import Line

MEMORY = 1 << 20
DISK = 256 << 20
PLACE = "/var/tmp"  # noqa: S108 - the file has no name
AT_ONCE = 500


class Spool:
    """First in, first out. Holds at most `disk` bytes beyond memory; what is more is counted in `dropped`."""

    def __init__(self, *, memory: int = MEMORY, disk: int = DISK) -> None:
        self.dropped = 0
        self._memory, self._disk = memory, disk
        self._lines: deque[Line] = deque()
        self._held = 0
        self._file: IO[bytes] | None = None
        self._read = self._written = 0

    def __bool__(self) -> bool:
        return bool(self._lines) or self._read < self._written

    def add(self, line: Line) -> bool:
        """Whether there was room for it."""
        size = len(line.text)
        if self._read == self._written and self._held + size <= self._memory:
            self._lines.append(line)
            self._held += size
            return True
        return self._spill(line)

    def take(self) -> list[Line]:
        """The oldest lines, not more than 500; `put_back` returns them if they could not be stored."""
        if not self._lines:
            self._reload()
        taken = [self._lines.popleft() for _ in range(min(AT_ONCE, len(self._lines)))]
        self._held -= sum(len(line.text) for line in taken)
        return taken

    def put_back(self, lines: Sequence[Line]) -> None:
        self._lines.extendleft(reversed(lines))
        self._held += sum(len(line.text) for line in lines)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _spill(self, line: Line) -> bool:
        row = [line.step, line.target, line.stream, line.at.isoformat(), line.text, line.task and str(line.task)]
        data = json.dumps(row).encode() + b"\n"
        if self._written - self._read + len(data) > self._disk:
            self.dropped += len(line.text)
            return False
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=PLACE)  # noqa: SIM115 - lives as long as the run
            self._file.seek(self._written)
            self._file.write(data)
            self._file.flush()
            self._written += len(data)
        except OSError:  # this disk is full too
            self.dropped += len(line.text)
            return False
        return True

    def _reload(self) -> None:
        if self._file is None or self._read == self._written:
            return
        self._file.seek(self._read)
        while self._held < self._memory and self._read < self._written:
            row = self._file.readline()
            self._read += len(row)
            step, target, stream, at, text, task = json.loads(row)
            self._lines.append(
                Line(step, target, stream, datetime.fromisoformat(at), text, UUID(task) if task else None)
            )
            self._held += len(text)
        if self._read == self._written:
            self._file.truncate(0)
            self._read = self._written = 0
