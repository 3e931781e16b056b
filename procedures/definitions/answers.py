"""Reads what a child says, line by line, and believes none of it: who it is, then output, then one answer (H4)."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any, Literal

from procedures.domain import limits
from procedures.domain.carrying import Malformed
from procedures.domain.ports import ActionIO
from procedures.domain.secrets import Secret

LINE_BYTES = limits.ARTIFACTS_BYTES * 2  # an answer carries the artifacts of a step
QUIET_BYTES = limits.MIB  # all that a call which only asks may say
KEPT_BYTES = 2_000
SECRETS = 100


class Stop(threading.Event):
    """Set when the run is canceled, or when the child has said something that ends it."""

    def __init__(self, cancelled: threading.Event | None) -> None:
        super().__init__()
        self._cancelled = cancelled

    def is_set(self) -> bool:
        return super().is_set() or (self._cancelled is not None and self._cancelled.is_set())


class Answers:
    """One child's words. `wanted` is the id that it must give, "" for any; `io` takes its output, if any is allowed."""

    def __init__(self, wanted: str, io: ActionIO | None) -> None:
        self.id = wanted
        self.stop = Stop(io.cancelled if io else None)
        self.broken = ""
        self.stray = b""
        self._answer: list[Any] = []
        self._io, self._line, self._named, self._secrets, self._total = io, bytearray(), False, 0, 0

    def write(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Bytes as they come out of the cell. What is wrong ends it; nothing after that is looked at."""
        if self.broken:
            return
        self._total += len(data)
        if self._io is None and self._total > QUIET_BYTES:
            self._break("It said more than 1 MiB where it only had to answer.")
        elif stream == "stdout":
            self._read(data)
        elif self._io is not None:
            self._io.write("stderr", data)
        self.stray = (self.stray + data)[-KEPT_BYTES:] if stream == "stderr" else self.stray

    def answer(self) -> Any:
        """What it answered. Raises Malformed if it did not, or not only that."""
        if self.broken:
            raise Malformed(self.broken)
        if not self._answer or self._line:
            raise Malformed("It ended without an answer.")
        return self._answer[0]

    def answered(self) -> bool:
        return bool(self._answer)

    def _read(self, data: bytes) -> None:
        self._line += data
        while not self.broken and (cut := self._line.find(b"\n", max(0, len(self._line) - len(data) - 1))) >= 0:
            line = bytes(self._line[:cut])
            del self._line[: cut + 1]
            data = bytes(self._line)
            self._frame(line)
        if len(self._line) > LINE_BYTES:
            self._break("It said a line without an end.")

    def _frame(self, line: bytes) -> None:
        try:
            frame = json.loads(line)
            [(first, value), *more] = frame.items()
            told = self._taken(first, value, dict(more))
        except (ValueError, AttributeError, TypeError, RecursionError):
            told = "It said something that is no answer."
        if told:
            self._break(told)

    def _taken(self, first: str, value: Any, more: dict[str, Any]) -> str:
        """What is wrong with one frame, or ""."""
        if self._answer:
            return "It went on after its answer."
        if not self._named:
            self._named = first == "id" and isinstance(value, str) and value == (self.id or value)
            self.id = self.id or str(value)
            return "" if self._named else f"It says that it is {value!r:.80}, and not {self.id}."
        if first == "answer" and not more:
            self._answer.append(value)
            return ""
        if self._io is None:
            return "It said something where it only had to answer."
        if first == "stream" and value in {"stdout", "stderr", "system"} and "data" in more:
            self._io.write(value, base64.b64decode(more["data"], validate=True))
            return ""
        if first == "secret" and self._secrets < SECRETS:
            self._secrets += 1
            self._io.made_secret(Secret(base64.b64decode(value, validate=True)))
            return ""
        return "It said something that is no answer, or named too many secrets."

    def _break(self, why: str) -> None:
        self.broken = why
        self._line.clear()
        self.stop.set()
