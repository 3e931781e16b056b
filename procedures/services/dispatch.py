"""The nudge: after commit, tell the queue of an environment that a run is there. Losing it is harmless (rule 8)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

log = structlog.get_logger(__name__)


def after_commit(run: UUID, environment: str) -> None:
    """Nudge once the row is committed, from a thread of its own: who asked never waits for the broker.

    The function is named in settings, so that services never import the runner.
    """
    transaction.on_commit(partial(_messengers().submit, nudge, run, environment))


@cache
def _messengers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="nudge")


def nudge(run: UUID, environment: str) -> bool:
    """Send now; False if the broker is not there, in which case the sweeper sends again."""
    send = import_string(settings.OPSPORTAL_DISPATCH)
    try:
        send(run, environment)
    except Exception as problem:  # noqa: BLE001 - any broker failure means the same: the sweeper sends again
        log.warning("dispatch.broker_unreachable", run=str(run), problem=type(problem).__name__)
        return False
    return True
