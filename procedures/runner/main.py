"""`opsportal runner --environment NAME`: a Celery worker with threads, for the queues of its environments."""

from __future__ import annotations

import argparse
import ctypes

from opsportal.loading import load

PR_SET_DUMPABLE = 4


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="opsportal runner")
    parser.add_argument("--environment", action="append", required=True, help="a name, or `all`")
    names: list[str] = parser.parse_args(argv).environment
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no other process of this user looks into its memory
    load()
    from django.conf import settings

    from procedures.models import Environment
    from procedures.runner.contacting import look_at
    from procedures.runner.enrolled import refuse_strangers, require_one_issuer_each
    from procedures.runner.reconciling import start as start_reconciling
    from procedures.runner.watching import start
    from procedures.runner.worker import serve

    served = list(Environment.objects.values_list("name", flat=True)) if "all" in names else names
    require_one_issuer_each(served)
    if settings.OPSPORTAL_PROFILE == "production":
        refuse_strangers(settings.OPSPORTAL_KEYS_DIR, served)
    start(served)
    look_at(served)
    start_reconciling(served)
    serve([f"environment.{name}" for name in served], at_once=settings.OPSPORTAL_RUNNER_THREADS)


if __name__ == "__main__":
    main()
