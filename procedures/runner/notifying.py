"""Delivers notices beside the sweeper, in a thread of the keeper: a mail server that hangs holds nothing else up."""

from __future__ import annotations

import threading

import structlog
from django.conf import settings
from django.db import DatabaseError, connections
from django.utils.module_loading import import_string

from procedures.domain.clock import now
from procedures.domain.notices import NotDelivered
from procedures.services import notices

log = structlog.get_logger(__name__)


class Notifying:
    """`nudge` begins a round of deliveries unless one is under way."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def nudge(self) -> None:
        if not settings.OPSPORTAL_SMTP or (self._thread is not None and self._thread.is_alive()):
            return
        if not notices.any_due(at=now()):
            return
        self._thread = threading.Thread(target=self._round, name="notices", daemon=True)
        self._thread.start()

    @staticmethod
    def _round() -> None:
        try:
            deliver()
        except DatabaseError as problem:
            log.warning("notices.database", problem=str(problem))
        finally:
            connections.close_all()


def deliver() -> int:
    """One round over what is due. Returns how many were delivered."""
    due = notices.take(at=now())
    if not due:
        return 0
    kind = import_string(settings.OPSPORTAL_NOTIFIER)
    sent = 0
    with kind(settings.OPSPORTAL_SMTP, sender=settings.OPSPORTAL_MAIL_FROM, portal=settings.OPSPORTAL_PUBLIC_URL) as to:
        for notice in due:
            try:
                to.deliver(notice)
            except NotDelivered as problem:
                log.warning("notice.failed", notice=str(notice.id), kind=notice.kind, why=problem.why)
                notices.failed(notice=notice.id, why=problem.why, final=problem.final, at=now())
                continue
            notices.delivered(notice=notice.id, at=now())
            sent += 1
    return sent
