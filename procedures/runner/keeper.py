"""`opsportal scheduler`: the sweeper every second; with the embedded default also the sequencer, as its child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

import structlog

from opsportal import alive
from opsportal.loading import load
from opsportal.supervisor.confine import begin_starter, confine

log = structlog.get_logger(__name__)


def main() -> None:
    """Sweep until told to stop. With the embedded default the sequencer, which alone may read the log's key, is started
    first; then the kernel takes the keys out of this process's sight, and rule sets are inherited.
    """
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    from django.conf import settings

    embedded = settings.OPSPORTAL_PROFILE == "embedded"
    child = _sequencer() if embedded else None
    if embedded:
        begin_starter()
        confine(settings.OPSPORTAL_DATA_DIR, settings.OPSPORTAL_KEYS_DIR)
    load()
    try:
        _sweep_until(stop, child)
    finally:
        if child is not None:
            child.terminate()
            child.wait(timeout=10)


def _sequencer() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "procedures.evidence.sequencer_main", "--parent", str(os.getpid())])


def _sweep_until(stop: threading.Event, child: subprocess.Popen[bytes] | None) -> None:
    from django.conf import settings
    from django.db import DatabaseError, connections

    from procedures.runner.checking import Checking
    from procedures.runner.erasing import Erasing
    from procedures.runner.notifying import Notifying
    from procedures.runner.streaming import Streaming
    from procedures.runner.watching_sources import Watching
    from procedures.services.moments import database_now
    from procedures.services.sweeping import sweep

    sources, mail, streams, checking, deaf_until = Watching(), Notifying(), Streaming(), Checking(), 0.0
    erasing = Erasing()
    while not stop.wait(1.0):
        if child is not None and child.poll() is not None:
            log.error("sequencer.ended", status=child.returncode)
            sys.exit(1)
        try:
            sweep(at=database_now(), deaf=time.monotonic() < deaf_until)
            erasing.round(at=database_now())
            sources.nudge()
            mail.nudge()
            streams.nudge()
            checking.nudge()
            alive.touch(settings.OPSPORTAL_ALIVE_FILE)
        except DatabaseError as problem:
            log.warning("sweeper.database", problem=str(problem))
            connections.close_all()
            deaf_until = time.monotonic() + settings.OPSPORTAL_HEARTBEAT_LOST_S


if __name__ == "__main__":
    main()
