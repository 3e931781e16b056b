"""A step that outlives its credential has it renewed while it acts; where that is refused it ends, and says why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from django.db import connections

from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.ports import ActionIO, ActionResult, Lease

log = structlog.get_logger(__name__)
LOOKS_EVERY_S = 0.2
AGAIN_AFTER_S = 5.0
REFUSED = "lease.refused"  # the issuer's own no is its last word; whatever else went wrong is tried again
LEFT = 3  # asked for when a third of its time is left


@dataclass(slots=True)
class Renewing:
    """Keeps one lease alive beside the step that uses it. `why` says what ended the step, once the lease is over."""

    lease: Lease
    renew: Callable[[], datetime]
    run: threading.Event  # the run's: a person, a stop or its time ends it
    step: threading.Event
    ends_at: datetime
    why: str = ""
    _refused: str = ""
    _done: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        """Until the step has ended, or the lease."""
        try:
            due = self._due(now())
            while not self._done.wait(LOOKS_EVERY_S):
                at = now()
                if self.run.is_set() or at >= self.lease.expires_at:
                    self.why = "" if self.run.is_set() else self._told()
                    self.step.set()
                    return
                if due is not None and at >= due:
                    due = self._asked(at)
        finally:
            connections.close_all()

    def end(self) -> None:
        self._done.set()

    def _due(self, at: datetime) -> datetime | None:
        """When more time is asked for; None where what is lent covers the step."""
        if self.lease.expires_at >= self.ends_at:
            return None
        return at + (self.lease.expires_at - at) * (LEFT - 1) / LEFT

    def _asked(self, at: datetime) -> datetime | None:
        try:
            until = self.renew()
        except OpsError as problem:
            log.warning("lease.not-renewed", lease=str(self.lease.id), why=problem.message)
            self._refused = problem.message
            return None if problem.code == REFUSED else at + timedelta(seconds=AGAIN_AFTER_S)
        self._refused, self.lease.expires_at = "", max(until, self.lease.expires_at)
        return self._due(now())

    def _told(self) -> str:
        return f"Its credential ended at {self.lease.expires_at:%H:%M:%S} UTC and was not renewed: {self._refused}"


@contextmanager
def renewed(lease: Lease, io: ActionIO, *, seconds_left: float) -> Iterator[Callable[[ActionResult], ActionResult]]:
    """While this is open the lease is renewed as the step needs it; what it gives tells the truth of a result."""
    if not lease.renewable or lease.renew is None:
        yield lambda result: result
        return
    step, run = threading.Event(), io.cancelled
    kept = Renewing(lease, lease.renew, run, step, now() + timedelta(seconds=seconds_left))
    thread = threading.Thread(target=kept.keep, name="renewing", daemon=True)
    io.cancelled = step
    thread.start()
    try:
        yield lambda result: _told(result, kept.why)
    finally:
        kept.end()
        thread.join()
        io.cancelled = run


def _told(result: ActionResult, why: str) -> ActionResult:
    """A step that was ended for want of a credential was not canceled by anybody: it failed, and says of what."""
    if not why or result.outcome not in {"canceled", "timed_out"}:
        return result
    return replace(result, outcome="failed", message=why, facts={**result.facts, "refused": "lease.not-renewable"})
