"""`opsportal sequencer`: the one process that reads the log's key."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from types import FrameType

import django
import structlog

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
    from django.db import connection

    from procedures.evidence.place import log_sequencer
    from procedures.evidence.sequence import run_forever

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")
    run_forever(log_sequencer(), stop)


if __name__ == "__main__":
    main()
