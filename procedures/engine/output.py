"""Where bytes first enter: masked, then stored, then hashed for the transcript. Nothing is seen before the mask."""

from __future__ import annotations

import codecs
import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection

from procedures.domain import limits
from procedures.domain.clock import now
from procedures.domain.masking import Masker
from procedures.domain.ports import ActionIO
from procedures.domain.secrets import Secret
from procedures.engine.spool import Spool
from procedures.evidence.tree import root_of
from procedures.services.steady import steadily
from procedures.services.tasks import Line

FLUSH_EVERY_S = 0.2
RETRY_EVERY_S = 2.0
FLUSH_BYTES = 65_536
CHUNK = 65_536
FULL = "The output of this run has reached its limit: what follows is hashed, but no longer kept.\n"
DROPPED = "{} characters of output were not kept: the database was away, and there was no room left to wait in.\n"

Stream = Literal["stdout", "stderr", "system"]
Store = Callable[[Sequence[Line], int, int], int]  # lines, masked bytes, last line known → last line stored
log = structlog.get_logger(__name__)


class RunOutput:
    """Buffers the masked output of all tasks of a run and writes it every 200 ms or 64 KiB.

    While the database is away it waits in a spool, and is written in its order once the database is back.
    """

    def __init__(self, store: Store, masker: Masker, limit: int = limits.LOG_BYTES, *, seq: int = 0) -> None:
        self.masker = masker
        self._store, self._seq = store, seq
        self._spool = Spool()
        self._pending = 0
        self._lock = threading.Lock()
        self._due_at = time.monotonic() + FLUSH_EVERY_S
        self._masked_before = 0
        self._limit = limit
        self.total_bytes = 0

    def add(self, line: Line) -> None:
        with self._lock:
            full = self.total_bytes > self._limit
            self.total_bytes += len(line.text.encode())
            if full:
                return
            if self.total_bytes > self._limit:
                line = replace(line, stream="system", text=FULL)
            self._spool.add(line)
            self._pending += len(line.text)
            moment = time.monotonic()
            due = moment >= self._due_at or (self._pending >= FLUSH_BYTES and moment > self._due_at - FLUSH_EVERY_S)
        if due:
            self._try()

    def flush(self) -> None:
        """Write what waits; returns when it is stored, or raises what the database said to the last try in time."""
        steadily(self._write)

    def close(self) -> None:
        self._spool.close()

    def _try(self) -> None:
        """One try: who prints does not wait for the database."""
        try:
            self._write()
        except (OperationalError, InterfaceError) as problem:
            log.warning("output.waits", problem=str(problem).strip()[:300])
            self._due_at = time.monotonic() + RETRY_EVERY_S
            if not connection.in_atomic_block:
                connection.close()

    def _write(self) -> None:
        with self._lock:
            self._pending, self._due_at = 0, time.monotonic() + FLUSH_EVERY_S
            while self._spool:
                lines = self._spool.take()
                masked = self.masker.masked_bytes - self._masked_before
                try:
                    self._seq = self._store(lines, masked, self._seq)
                except Exception:
                    self._spool.put_back(lines)
                    raise
                self._masked_before += masked
            if self._spool.dropped:
                lost, self._spool.dropped = self._spool.dropped, 0
                self._seq = self._store([Line("", "", "system", now(), DROPPED.format(lost))], 0, self._seq)


@dataclass(slots=True)
class Transcript:
    """Commitments over chunks of at most 64 KiB of masked output: SHA-256(salt || chunk), and their Merkle root."""

    commitments: list[bytes] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)
    total: int = 0

    def add(self, data: bytes) -> None:
        self.buffer += data
        self.total += len(data)
        while len(self.buffer) >= CHUNK:
            self._commit(bytes(self.buffer[:CHUNK]))
            del self.buffer[:CHUNK]

    def _commit(self, chunk: bytes) -> None:
        self.commitments.append(hashlib.sha256(os.urandom(16) + chunk).digest())

    def facts(self) -> dict[str, Any]:
        if self.buffer:
            self._commit(bytes(self.buffer))
            self.buffer.clear()
        return {"root": root_of(self.commitments).hex(), "chunks": len(self.commitments), "bytes": self.total}


class TaskIO(ActionIO):
    """One task's way to the run's output."""

    def __init__(self, output: RunOutput, *, step: str, target: str, task: UUID, cancelled: threading.Event) -> None:
        self.cancelled = cancelled
        self.transcript = Transcript()
        self._output = output
        self._step, self._target, self._task = step, target, task
        self._lock = threading.Lock()
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    def write(self, stream: Stream, data: bytes) -> None:
        with self._lock:
            self._emit(stream, self._output.masker.feed(self._key(stream), data), final=False)

    def close(self) -> None:
        """Let go of what the masker held back; to be called once the task has ended."""
        with self._lock:
            for stream in list(self._decoders):
                self._emit(stream, self._output.masker.flush(self._key(stream)), final=True)  # type: ignore[arg-type]

    def register_secret(self, secret: Secret) -> None:
        self._output.masker.register(secret, f"{self._step}")

    def _key(self, stream: str) -> str:
        return f"{self._task}/{stream}"

    def _emit(self, stream: Stream, masked: bytes, *, final: bool) -> None:
        decoder = self._decoders.setdefault(stream, codecs.getincrementaldecoder("utf-8")(errors="replace"))
        text = decoder.decode(masked, final=final).replace("\x00", "\u2400")
        self.transcript.add(masked)
        if text:
            self._output.add(Line(self._step, self._target, stream, now(), text, self._task))


def masked(masker: Masker, value: Any) -> Any:
    """A step's output as it is stored: every text in it went through the mask, names of values too."""
    if isinstance(value, str):
        return masker.mask_text(value)
    if isinstance(value, Mapping):
        return {masker.mask_text(str(key)): masked(masker, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(masker, item) for item in value]
    return value
