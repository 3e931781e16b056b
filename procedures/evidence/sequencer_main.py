"""`opsportal sequencer`: the one process that reads the log's key."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from opsportal.loading import load

if TYPE_CHECKING:
    from procedures.evidence.sequence import Sequencer
    from procedures.evidence.submitting import Submitting

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
    load()
    from django.db import connection

    from procedures.domain.errors import OpsError

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")
    try:
        while (ready := _ready(stop)) is not None:  # anew after the log's key was changed
            _go_on(*ready, stop)
    except OpsError as refusal:  # a log that went back, or a policy of witnesses that is none
        log.critical(refusal.code, problem=refusal.message, next_step=refusal.next_step)
        sys.exit(f"{refusal.message}\n{refusal.next_step}")


def _go_on(sequencer: Sequencer, witnesses: Submitting | None, stop: threading.Event) -> None:
    """Sequence until told to stop, or the key was changed. Witnesses are asked first what they saw, and then not waited
    for.
    """
    from pathlib import Path

    from django.conf import settings

    from opsportal import alive
    from procedures.evidence import moments, retained, turning
    from procedures.evidence.anchoring import Anchoring, anchoring
    from procedures.evidence.mirroring import Mirroring, mirroring
    from procedures.evidence.sequence import run_forever

    path = Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE)
    keeps = retained.retaining(path, sequencer.key.verifier)

    def round_done() -> None:
        alive.touch(settings.OPSPORTAL_ALIVE_FILE)
        if keeps is not None:
            keeps.once(moments.database_now())
        if witnesses is not None:
            witnesses.nudge()

    def turned() -> bool:
        return turning.turn(sequencer, path, moments.database_now())

    beside: list[Anchoring | Mirroring] = [one for one in (anchoring(), mirroring()) if one is not None]
    for one in beside:
        one.begin()
    if witnesses is None:
        run_forever(sequencer, stop, alive=round_done, turned=turned)
    else:
        witnesses.begin()
        witnesses.settle()
        run_forever(sequencer, stop, check=witnesses.check, alive=round_done, turned=turned)
        witnesses.end()
    for one in beside:
        one.end()


def _ready(stop: threading.Event) -> tuple[Sequencer, Submitting | None] | None:
    """The sequencer and its witnesses, as soon as the database answers; None if told to stop before.

    Raises LogWentBack, PolicyRefused.
    """
    from django.db import DatabaseError, connection

    from procedures.evidence.place import log_sequencer
    from procedures.evidence.submitting import witnesses_of

    while not stop.is_set():
        try:
            sequencer = log_sequencer()
            return sequencer, witnesses_of(sequencer.key, sequencer.published)
        except DatabaseError as problem:
            log.warning("sequencer.database", problem=str(problem))
            connection.close()
        stop.wait(1.0)
    return None


if __name__ == "__main__":
    main()
