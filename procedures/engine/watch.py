"""The heartbeat of a claimed run: says that the runner lives, and hears when it must stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Literal, Self

import structlog
from django.db import DatabaseError, connections

from procedures.domain.clock import now
from procedures.engine import draining
from procedures.services.claims import ClaimLost

log = structlog.get_logger(__name__)
Signal = Literal["", "cancel", "stop", "timeout", "lost"]
Beat = Callable[[datetime], Literal["", "cancel", "stop"]]


class Watch:
    """A thread that beats every `every_s` seconds. `signal` says why the run must stop; `cancelled` is set with it."""

    def __init__(self, beat: Beat, deadline: datetime, *, every_s: float, lost_after_s: float) -> None:
        self.signal: Signal = ""
        self.why = ""
        self.cancelled = threading.Event()
        self._beat, self._deadline = beat, deadline
        self._every, self._lost_after = every_s, lost_after_s
        self._done = threading.Event()
        self.sheltered = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=5)

    @property
    def word(self) -> Signal:
        """The signal that counts now: inside rollback and `always` a cancel or a time-out ends nothing."""
        return "" if self.sheltered and self.signal in {"cancel", "timeout"} else self.signal

    def shelter(self, *, safe: bool) -> bool:
        """Whether one step of rollback or `always` may begin. After a stop only what is marked safe does (rule 20)."""
        with self._lock:
            if self.signal == "lost" or (self.signal == "stop" and not safe):
                return False
            self.sheltered = True
            self.cancelled = threading.Event()
            return True

    def leave(self) -> None:
        """The branches are over: a cancel counts again."""
        with self._lock:
            self.sheltered = False

    def _run(self) -> None:
        heard = time.monotonic()
        word: Signal
        try:
            while not self._done.wait(self._every):
                try:
                    word = self._beat(now())
                    heard = time.monotonic()
                except ClaimLost:
                    word = "lost"
                except DatabaseError as problem:
                    log.warning("heartbeat.database", problem=str(problem))
                    silent = time.monotonic() - heard
                    word = "lost" if silent > self._lost_after else ""
                    self.why = f"The database did not answer for {silent:.0f} s: what was under way was stopped."
                if draining.over() and word != "lost":
                    word, self.why = "lost", "Its runner was stopped before the step that was under way had ended."
                self._hear(word)
        finally:
            connections.close_all()

    def _hear(self, word: Signal) -> None:
        if not word and not self.signal and now() >= self._deadline:
            word = "timeout"
        stronger = {"": 0, "cancel": 1, "timeout": 1, "stop": 2, "lost": 3}
        with self._lock:
            if stronger[word] <= stronger[self.signal]:
                return
            self.signal = word
            if self.word:
                self.cancelled.set()
