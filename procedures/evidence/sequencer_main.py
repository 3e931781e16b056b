"""`opsportal sequencer`: the one process that reads the log's key."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

import django
import structlog

if TYPE_CHECKING:
    from procedures.evidence.sequence import Sequencer

log = structlog.get_logger(__name__)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


def main() -> None:
    """Append and sign once a second until told to stop; ends with its parent, and cannot be looked into."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if "--parent" in sys.argv and os.getppid() != int(sys.argv[sys.argv.index("--parent") + 1]):
        return
    django.setup()
    from django.conf import settings
    from django.db import connection

    from opsportal import alive
    from procedures.evidence.sequence import LogWentBack, run_forever

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")
    try:
        if (sequencer := _ready(stop)) is not None:
            run_forever(sequencer, stop, alive=lambda: alive.touch(settings.OPSPORTAL_ALIVE_FILE))
    except LogWentBack as refusal:
        log.critical(refusal.code, problem=refusal.message, next_step=refusal.next_step)
        sys.exit(f"{refusal.message}\n{refusal.next_step}")


def _ready(stop: threading.Event) -> Sequencer | None:
    """The sequencer, as soon as the database answers; None if told to stop before. Raises LogWentBack."""
    from django.db import DatabaseError, connection

    from procedures.evidence.place import log_sequencer

    while not stop.is_set():
        try:
            return log_sequencer()
        except DatabaseError as problem:
            log.warning("sequencer.database", problem=str(problem))
            connection.close()
        stop.wait(1.0)
    return None


if __name__ == "__main__":
    main()
