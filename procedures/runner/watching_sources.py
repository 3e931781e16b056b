"""Looks at git sources beside the sweeper, one after another in a thread: a slow remote holds nothing else up.

The web process speaks to no stranger, and has nobody spoken to by a row either: people signed for each address.
"""

from __future__ import annotations

import threading

import structlog
from django.db import DatabaseError, connections

from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.issuer.sources import why_not
from procedures.services import sources

log = structlog.get_logger(__name__)


class NotAsSigned(OpsError):
    """A source that its row alone names so."""

    code = "source.not-as-signed"
    next_step = "Look at `opsportal access drift`, and propose the source again, on the page Sources."


class Watching:
    """`nudge` begins a round of looks unless one is under way."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def nudge(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        wanted = sources.due(at=now())
        if wanted:
            self._thread = threading.Thread(target=self._round, args=(wanted,), name="sources", daemon=True)
            self._thread.start()

    @staticmethod
    def _round(wanted: list[str]) -> None:
        try:
            look_at(wanted)
        except DatabaseError as problem:
            log.warning("source.failed", problem=str(problem))
        finally:
            connections.close_all()


def look_at(wanted: list[str]) -> None:
    """One look at each of these sources; one that fails keeps no other from its turn."""
    for name in wanted:
        try:
            if why := why_not(name):
                raise NotAsSigned(f"Nothing is fetched for {name}: {why}.")
            made = sources.look(name=name, at=now())
            log.info("source.looked", source=name, versions=[str(version.id) for version in made])
        except (OpsError, OSError) as problem:
            log.warning("source.failed", source=name, problem=str(problem))
            sources.note_failure(name=name, problem=str(problem), at=now())
