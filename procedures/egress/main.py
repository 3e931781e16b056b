"""`opsportal egress`: asks identity providers and issuers of workloads for the web process, and nobody else (H30)."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import structlog

from opsportal.loading import load
from opsportal.supervisor.confine import confine

log = structlog.get_logger(__name__)
PR_SET_DUMPABLE = 4
ROUND_S = 5.0


def main() -> None:
    """Listen until told to stop. With the embedded default the kernel takes the keys out of its sight first."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no other process of this user looks into its memory
    from django.conf import settings

    with listening(settings.OPSPORTAL_EGRESS) as listener:
        if settings.OPSPORTAL_PROFILE == "embedded":
            confine(settings.OPSPORTAL_DATA_DIR, settings.OPSPORTAL_KEYS_DIR)
        load()
        _serve(listener, stop)
        sys.stderr.flush()
        os._exit(0)  # who still waits for an answer must not keep the process


@contextmanager
def listening(where: str) -> Iterator[socket.socket]:
    """The socket to serve: on this machine for its group alone, and one process to a place."""
    from procedures.issuer import place
    from procedures.signon.egress import place_of

    found = place_of(where)
    if isinstance(found, str):
        with place.claim(Path(found), "egress process"):
            yield place.listening(Path(found))
    else:
        yield socket.create_server(found, family=socket.AF_INET6 if ":" in found[0] else socket.AF_INET)


def _serve(listener: socket.socket, stop: threading.Event) -> None:
    from django.conf import settings
    from django.db import DatabaseError, connections

    from opsportal import alive
    from procedures.egress.door import Door
    from procedures.egress.named import named_now
    from procedures.egress.refusals import Refusals
    from procedures.evidence.models import Event
    from procedures.issuer import place

    refusals = Refusals()
    peers = place.peers_of(settings.OPSPORTAL_EGRESS_PEERS, "OPSPORTAL_EGRESS_PEERS")
    door = Door(named_now, refusals.tell, peers=peers, key=settings.OPSPORTAL_EGRESS_KEY)
    door.begin(listener)
    log.info("egress.listens", at=settings.OPSPORTAL_EGRESS)
    while not stop.wait(ROUND_S):
        try:
            Event.objects.exists()
            refusals.settle()
            alive.touch(settings.OPSPORTAL_ALIVE_FILE)
        except DatabaseError as problem:
            log.warning("egress.database", problem=str(problem))
        finally:
            connections.close_all()
    listener.close()


if __name__ == "__main__":
    main()
