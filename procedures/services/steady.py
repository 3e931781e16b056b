"""A runner's writes outlive a database that restarts: tried again with back-off, and never doubly recorded.

Each write that goes through here is safe to repeat after an answer that was lost: it carries its own id.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

log = structlog.get_logger(__name__)
T = TypeVar("T")
FIRST_S, LONGEST_S = 0.1, 3.0


def steadily(call: Callable[[], T], *, bound_s: float | None = None) -> T:
    """What `call` gives, as soon as the database takes it; after the bound whatever the last try raised.

    Only what says that the database is not there is tried again: locked, restarting, cut off, full. Inside somebody's
    transaction nothing can be repeated, so there it is tried once.
    """
    bound = settings.OPSPORTAL_DATABASE_BOUND_S if bound_s is None else bound_s
    began, pause = time.monotonic(), FIRST_S
    while True:
        try:
            return call()
        except (OperationalError, InterfaceError) as problem:
            left = bound - (time.monotonic() - began)
            if (connection.in_atomic_block and connection.needs_rollback) or left <= 0:
                raise
            log.warning("database.waiting", problem=str(problem).strip()[:300], seconds_left=int(left))
            if not connection.in_atomic_block:
                connection.close()
            time.sleep(min(pause * random.uniform(0.7, 1.3), max(left, 0.01)))  # noqa: S311 - spreads load
            pause = min(pause * 2, LONGEST_S)
