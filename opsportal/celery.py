"""The Celery application: messages carry ids, queues are named after environments.

The worker keeps its database connections from task to task. Celery's own fixup would close them around every task
whatever CONN_MAX_AGE says, which costs a third of the CPU of a short run; CELERY_DB_REUSE_MAX switches that off, and
`drop_stale_connections` looks after connections that no longer answer.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")

IDLE_S = 10.0
KEEP = 1 << 40
app = Celery("opsportal", changes={"CELERY_DB_REUSE_MAX": KEEP})
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["procedures.runner"])


def queue_of(environment: str) -> str:
    """The name of the queue that runners of an environment read."""
    return f"environment.{environment}"


def worker_transport_options() -> dict[str, Any]:
    """Transport options for a process that consumes: it may wait for the broker, unlike one that only sends.

    The visibility timeout stays at kombu's hour: a message that comes twice finds its row claimed.
    """
    patient = {"socket_timeout": 10.0, "socket_connect_timeout": 5.0, "global_keyprefix": "opsportal."}
    return {**patient, "visibility_timeout": 3600, "health_check_interval": 25}


@signals.celeryd_init.connect  # type: ignore[untyped-decorator]
def prepare_worker(conf: Any, **_: object) -> None:
    """Make this process a consumer: patient with its broker, and thrifty with its connections."""
    conf.broker_transport_options = worker_transport_options()
    conf.broker_connection_timeout = 5.0
    conf.broker_connection_retry_on_startup = True
    conf.broker_connection_max_retries = None


_last_used: dict[int, float] = {}


@signals.task_prerun.connect  # type: ignore[untyped-decorator]
def drop_stale_connections(**_: object) -> None:
    """Before a task, close each database connection of this thread that was idle for long and answers no more."""
    from django.db import connections

    moment = time.monotonic()
    for connection in connections.all(initialized_only=True):
        idle = moment - _last_used.get(id(connection), moment)
        broken = connection.connection is not None and not connection.in_atomic_block
        if broken and (idle > IDLE_S or connection.errors_occurred) and not connection.is_usable():
            connection.close()
        _last_used[id(connection)] = moment
