"""Output in pieces that are worth a look: a program that prints letter by letter must not cost a look for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

LEAST = 4096
WITHIN_S = 0.05
Stream = Literal["stdout", "stderr"]
Write = Callable[[Stream, bytes], None]


class Gathered:
    """Hands on what came, in its order, once it has 4 KiB or is 50 ms old. For one thread, which calls `tick` often."""

    def __init__(self, write: Write, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._stream: Stream = "stdout"
        self._held = bytearray()
        self._since = 0.0

    def add(self, stream: Stream, data: bytes) -> None:
        if stream != self._stream:
            self.flush()
        if not self._held:
            self._stream, self._since = stream, self._clock()
        self._held += data
        if len(self._held) >= LEAST:
            self.flush()

    def tick(self) -> None:
        """Hand on what has waited long enough."""
        if self._held and self._clock() - self._since >= WITHIN_S:
            self.flush()

    def flush(self) -> None:
        if self._held:
            held, self._held = bytes(self._held), bytearray()
            self._write(self._stream, held)
