"""Looks at git sources beside the sweeper, one after another in a thread: a slow remote holds nothing else up."""

from __future__ import annotations

import threading

import structlog
from django.db import DatabaseError, connections

from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.services import sources

log = structlog.get_logger(__name__)


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
        """One source that fails keeps no other from its turn."""
        try:
            for name in wanted:
                try:
                    made = sources.look(name=name, at=now())
                    log.info("source.looked", source=name, versions=[str(version.id) for version in made])
                except (OpsError, OSError) as problem:
                    log.warning("source.failed", source=name, problem=str(problem))
                    sources.note_failure(name=name, problem=str(problem), at=now())
        except DatabaseError as problem:
            log.warning("source.failed", problem=str(problem))
        finally:
            connections.close_all()
