"""What the egress process refused, as evidence: the first of each minute one by one, a flood as counts."""

from __future__ import annotations

import threading
import time
from collections import Counter

import structlog
from django.db import DatabaseError

from procedures.domain.clock import now
from procedures.services import way_out

log = structlog.get_logger(__name__)
A_MINUTE, KINDS = 5, 100


class Refusals:
    """Hears each refusal in whatever thread, and writes it down; what is more than A_MINUTE waits for `settle`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute, self._said = -1, 0
        self._waiting: Counter[tuple[str, str]] = Counter()

    def tell(self, asked: str, why: str) -> None:
        log.warning("egress.refused", asked=asked, why=why)
        with self._lock:
            minute = int(time.monotonic() // 60)
            if minute != self._minute:
                self._minute, self._said = minute, 0
            self._said += 1
            if self._said > A_MINUTE:
                self._keep(asked, why, 1)
                return
        self._write(asked, why, 1)

    def settle(self) -> None:
        """Write down what waits, once its minute is over."""
        with self._lock:
            if int(time.monotonic() // 60) == self._minute:
                return
            waiting, self._waiting = self._waiting, Counter()
        for (asked, why), count in waiting.items():
            self._write(asked, why, count)

    def _write(self, asked: str, why: str, count: int) -> None:
        """What the database does not take now waits on."""
        try:
            way_out.refused(asked=asked, why=why, count=count, at=now())
        except DatabaseError as problem:
            log.warning("egress.database", problem=type(problem).__name__)
            with self._lock:
                self._keep(asked, why, count)

    def _keep(self, asked: str, why: str, count: int) -> None:
        full = len(self._waiting) >= KINDS and (asked, why) not in self._waiting
        self._waiting[("others", why) if full else (asked, why)] += count
