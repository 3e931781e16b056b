"""The Celery application: messages carry ids, queues are named after environments.

The worker keeps its database connections from task to task. Celery's own fixup would close them around every task
whatever CONN_MAX_AGE says, which costs a third of the CPU of a short run; CELERY_DB_REUSE_MAX switches that off, and
`drop_stale_connections` looks after connections that no longer answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery, signals

from opsportal.settings import brokers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")

IDLE_S = 10.0
KEEP = 1 << 40


class Sender(Celery):  # type: ignore[misc]
    """Sends by the exchange that has its queue's name, never by the one that reaches every queue: so RabbitMQ can hold
    a pool's user to its own.
    """

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        queue = options.get("queue")
        named = {"exchange": queue, "routing_key": queue} if isinstance(queue, str) else {}
        return super().send_task(name, *args, **{**named, **options})


app = Sender("opsportal", changes={"CELERY_DB_REUSE_MAX": KEEP})
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["procedures.runner"])


def queue_of(environment: str) -> str:
    """The name of the queue that runners of an environment read."""
    return f"environment.{environment}"


def worker_transport_options(queues: Sequence[str] = (), url: str = "") -> dict[str, Any]:
    """Transport options for a process that consumes these queues."""
    return brokers.consuming(url, queues)


@signals.celeryd_init.connect  # type: ignore[untyped-decorator]
def prepare_worker(conf: Any, options: Any = None, **_: object) -> None:
    """Make this process a consumer: patient with its broker, and thrifty with its connections.

    RabbitMQ closes a channel on which a message waits half an hour for its answer, and runs take longer: there a
    message is answered when it is begun. Nothing is lost by that: what a dead runner held is interrupted and told.
    """
    named = (options or {}).get("queues") or ()
    queues = named.split(",") if isinstance(named, str) else list(named)
    conf.broker_transport_options = worker_transport_options(queues, conf.broker_url)
    conf.broker_connection_timeout = 5.0
    conf.broker_connection_retry_on_startup = True
    conf.broker_connection_max_retries = None
    if brokers.kind_of(conf.broker_url) == brokers.RABBITMQ:
        conf.task_acks_late = False
        for task in app.tasks.values():
            task.acks_late = False


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
