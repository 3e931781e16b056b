"""`opsportal scheduler`: the sweeper every second; with the embedded default also the sequencer, as its child."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from types import FrameType

import django
import structlog

log = structlog.get_logger(__name__)


def main() -> None:
    """Start the sequencer first, since it alone may read the log's key; then sweep until told to stop."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    child = _sequencer()
    django.setup()
    try:
        _sweep_until(stop, child)
    finally:
        child.terminate()
        child.wait(timeout=10)


def _sequencer() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "procedures.evidence.sequencer_main"])


def _sweep_until(stop: threading.Event, child: subprocess.Popen[bytes]) -> None:
    from django.db import DatabaseError, connections

    from procedures.domain.clock import now
    from procedures.services.sweeping import sweep

    while not stop.wait(1.0):
        if child.poll() is not None:
            log.error("sequencer.ended", status=child.returncode)
            sys.exit(1)
        try:
            sweep(at=now())
        except DatabaseError as problem:
            log.warning("sweeper.database", problem=str(problem))
            connections.close_all()


if __name__ == "__main__":
    main()
