"""Where bytes first enter: masked, then stored, then hashed for the transcript. Nothing is seen before the mask."""

from __future__ import annotations

import codecs
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection

from procedures.domain import limits
from procedures.domain.clock import now
from procedures.domain.made_secrets import SecretLines
from procedures.domain.masking import Masker
from procedures.domain.ports import ActionIO
from procedures.domain.readable import Readable
from procedures.domain.secrets import Secret
from procedures.engine.spool import Spool
from procedures.engine.transcript import Tail, Transcript
from procedures.evidence.transcripts import Commitments
from procedures.services.steady import steadily
from procedures.services.tasks import Line

FLUSH_EVERY_S = 0.2
RETRY_EVERY_S = 2.0
FLUSH_BYTES = 65_536
FULL = "The output of this run has reached its limit: what follows is hashed, and of each step the end is kept.\n"
LEFT_OUT = "{:,} bytes of output are left out here.\n"
ENDS = 10  # a tenth of the limit more is for the ends of what is cut
DROPPED = "{} characters of output were not kept: the database was away, and there was no room left to wait in.\n"

Stream = Literal["stdout", "stderr", "system"]
Store = Callable[[Sequence[Line], Readable, int], int]  # lines, bytes since then, last line known → last line stored
Own = Callable[[Secret, Literal["line", "action", "output"]], str]  # why a task's own secret is not masked, or ""
TOLD = 5  # refusals that are told one by one
log = structlog.get_logger(__name__)


class RunOutput:
    """Buffers the masked output of all tasks of a run and writes it every 200 ms or 64 KiB.

    While the database is away it waits in a spool, and is written in its order once the database is back. Beyond the
    limit the last 64 KiB of each task are kept. `before` is what the run has kept already, in bytes.
    """

    def __init__(self, store: Store, masker: Masker, limit: int = limits.LOG_BYTES, *, before: int = 0) -> None:
        self.masker = masker
        self._store, self._seq = store, 0
        self._counts = Readable()  # not stored yet
        self._tails: defaultdict[UUID | None, Tail] = defaultdict(Tail)
        self._room = limit // ENDS
        self._spool = Spool()
        self._pending = 0
        self._lock = threading.Lock()
        self._due_at = time.monotonic() + FLUSH_EVERY_S
        self._masked_before = self._withheld_before = 0
        self._limit = limit
        self.total_bytes = before

    def add(self, line: Line, signed: Commitments | None = None) -> None:
        """`signed` is what the line's task will sign: it takes in what is kept."""
        with self._lock:
            full = self.total_bytes > self._limit
            self.total_bytes += len(line.text.encode())
            if self.total_bytes > self._limit:
                self._tails[line.task].add(line)
                if full:
                    return
                line = Line(line.step, line.target, "system", line.at, FULL, line.task)
            self._keep(line, signed)
            self._pending += len(line.text)
            moment = time.monotonic()
            due = moment >= self._due_at or (self._pending >= FLUSH_BYTES and moment > self._due_at - FLUSH_EVERY_S)
        if due:
            self._try()

    def count(self, more: Readable) -> None:
        """Bytes of which no line tells."""
        with self._lock:
            self._counts += more

    def ended(self, task: UUID, signed: Commitments | None = None) -> int:
        """Keep the end of what a task printed beyond the limit; how many bytes before that end are lost."""
        with self._lock:
            tail = self._tails.pop(task, None)
            if tail is None:
                return 0
            tail.fit(self._room // 4)
            self._room -= tail.held
            if tail.left_out:
                place = tail.lines[-1] if tail.lines else Line("", "", "system", now(), "", task)
                told = LEFT_OUT.format(tail.left_out)
                self._keep(Line(place.step, place.target, "system", now(), told, task), signed)
            for line in tail.lines:
                self._keep(line, signed)
            self._counts += Readable(cut=tail.left_out)
            return tail.left_out

    def _keep(self, line: Line, signed: Commitments | None) -> None:
        if self._spool.add(line) and signed is not None:
            signed.add(line.stream, line.text)

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
                counts = self._counted()
                try:
                    self._seq = self._store(lines, counts, self._seq)
                except Exception:
                    self._spool.put_back(lines)
                    raise
                self._masked_before += counts.masked
                self._withheld_before += counts.withheld - self._counts.withheld
                self._counts = Readable()
            if self._spool.dropped:
                lost, self._spool.dropped = self._spool.dropped, 0
                told = Line("", "", "system", now(), DROPPED.format(lost))
                self._seq = self._store([told], Readable(cut=lost), self._seq)

    def _counted(self) -> Readable:
        """Bytes since the last time that some were stored."""
        masked = self.masker.masked_bytes - self._masked_before
        return self._counts + Readable(masked=masked, withheld=self.masker.withheld_bytes - self._withheld_before)


class TaskIO(ActionIO):
    """One task's way to the run's output. `own` judges what the task's own code says is secret."""

    def __init__(
        self,
        output: RunOutput,
        *,
        step: str,
        target: str,
        task: UUID,
        cancelled: threading.Event,
        own: Own | None = None,
    ) -> None:
        self.cancelled = cancelled
        self.transcript = Transcript()
        self.readable = Readable()
        self._output, self._own = output, own
        self._step, self._target, self._task = step, target, task
        self._lock = threading.RLock()
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        self._lines: defaultdict[str, SecretLines] = defaultdict(lambda: SecretLines(self._named))
        self._refused: list[str] = []
        self._untold = 0

    def write(self, stream: Stream, data: bytes) -> None:
        with self._lock:
            if stream != "system":
                self._count(Readable(printed=len(data)))
                data = self._lines[stream].feed(data)
            self._emit(stream, self._output.masker.feed(self._key(stream), data), final=False)
            self._tell_refused()

    def close(self) -> None:
        """Let go of what was held back; to be called once the task has ended."""
        with self._lock:
            for stream, lines in list(self._lines.items()):
                self._emit(stream, self._output.masker.feed(self._key(stream), lines.flush()), final=False)  # type: ignore[arg-type]
            if self._untold > TOLD:
                self._refused.append(f"{self._untold - TOLD:,} more, of which none is told")
                self._untold = 0
            self._tell_refused()
            masked = 0
            for stream in list(self._decoders):
                self._emit(stream, self._output.masker.flush(self._key(stream)), final=True)  # type: ignore[arg-type]
                masked += self._output.masker.forget(self._key(stream))
            self.readable += Readable(masked=masked, cut=self._output.ended(self._task, self.transcript.kept))

    def register_secret(self, secret: Secret) -> None:
        self._output.masker.register(secret, f"{self._step}")

    def made_secret(self, secret: Secret) -> None:
        with self._lock:
            self._take(secret, "action")
            self._tell_refused()

    def made_output(self, secret: Secret) -> bool:
        """Mask a sensitive output's text; whether it may be masked."""
        return self._own is not None and not self._own(secret, "output")

    def withhold(self, size: int) -> None:
        """Count bytes that were printed and that nobody will see."""
        with self._lock:
            self._count(Readable(printed=size, withheld=size))

    def _named(self, value: bytes) -> None:
        self._take(Secret(value), "line")

    def _take(self, secret: Secret, how: Literal["line", "action"]) -> None:
        if why := self._own(secret, how) if self._own else "nothing is made here":
            self._untold += 1
            if self._untold <= TOLD:
                self._refused.append(why)

    def _tell_refused(self) -> None:
        """In the log, beside the line that stands there as it is."""
        while self._refused:
            told = f"A value that this step calls a secret is not masked: {self._refused.pop(0)}.\n"
            self._emit("system", self._output.masker.feed(self._key("system"), told.encode()), final=False)

    def _count(self, more: Readable) -> None:
        self.readable += more
        self._output.count(more)

    def _key(self, stream: str) -> str:
        return f"{self._task}/{stream}"

    def _emit(self, stream: Stream, masked: bytes, *, final: bool) -> None:
        decoder = self._decoders.setdefault(stream, codecs.getincrementaldecoder("utf-8")(errors="replace"))
        text = decoder.decode(masked, final=final).replace("\x00", "\u2400")
        self.transcript.count(masked)
        if text:
            line = Line(self._step, self._target, stream, now(), text, self._task)
            self._output.add(line, self.transcript.kept)


def masked(masker: Masker, value: Any) -> Any:
    """A step's output as it is stored: every text in it went through the mask, names of values too."""
    if isinstance(value, str):
        return masker.mask_text(value)
    if isinstance(value, Mapping):
        return {masker.mask_text(str(key)): masked(masker, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(masker, item) for item in value]
    return value
