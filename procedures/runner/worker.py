"""A Celery worker with threads for some queues: what a runner and the disposable pool have in common."""

from __future__ import annotations

from collections.abc import Sequence


def serve(queues: Sequence[str], *, at_once: int) -> None:
    """Take work until told to stop. Django is set up before."""
    from celery import signals
    from django.conf import settings

    from opsportal.celery import app
    from procedures.engine import draining

    def drain(**_: object) -> None:
        draining.begin(settings.OPSPORTAL_DRAIN_S)

    signals.worker_shutting_down.connect(drain, weak=False)
    app.worker_main(
        [
            "worker",
            "--pool",
            "threads",
            "--concurrency",
            str(at_once),
            "--queues",
            ",".join(queues),
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel",
            "WARNING",
        ]
    )
