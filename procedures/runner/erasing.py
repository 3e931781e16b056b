"""What the keeper erases, it erases by the log's word: files and results whose time is over, and runs that were purged.

A table alone has nothing erased: whoever took the web process over writes rows and unsigned events (H36).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError

from procedures.issuer.erasing import Word
from procedures.services import purges
from procedures.services.artifacts import erase_expired
from procedures.services.results import expire_results

log = structlog.get_logger(__name__)
RESTS = timedelta(minutes=1)


class Erasing:
    """A round at a time. What a hold keeps by the log alone is told once, and looked at again a minute later."""

    def __init__(self) -> None:
        self._told: set[UUID] = set()
        self._not_before: datetime | None = None

    def round(self, *, at: datetime) -> dict[str, int]:
        """How many of each were erased; safe to repeat and to run beside another.

        Where the log cannot be read nothing is: an event that somebody else wrote may say anything.
        """
        try:
            return self._round(at)
        except DatabaseError:
            raise
        except Exception:
            log.exception("erasing.defect")
            return {}

    def _round(self, at: datetime) -> dict[str, int]:
        word, kept = Word(at), set[UUID]()

        def keeps(run: UUID) -> bool:
            if word.keeps(run):
                kept.add(run)
            return run in kept

        done = {"purged": purges.sweep(at=at, judge=word.why_not), "artifacts": 0, "results": 0}
        if self._not_before is None or self._not_before <= at:
            done |= {"artifacts": erase_expired(at=at, keeps=keeps), "results": expire_results(at=at, keeps=keeps)}
            self._not_before = at + RESTS if kept else None
        for run in kept - self._told:
            log.warning("hold.ended-by-the-table-alone", run=str(run))
        self._told |= kept
        return done
