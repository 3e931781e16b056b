"""Has the whole evidence checked once a day beside the sweeper, by a process of its own that gives way to all others.

What it finds it stores and tells itself; here is only told that it broke.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import structlog

from procedures.domain.clock import now
from procedures.services import log_checks

log = structlog.get_logger(__name__)
FIRST_AFTER_S, AGAIN_AFTER_S = 300.0, 3600.0
PROGRAM = (sys.executable, "-m", "opsportal.cli.main", "evidence", "check", "--keep")


class Checking:
    """`nudge` starts a check if one is due and none runs; `end` stops the one that does."""

    def __init__(self, first_after_s: float = FIRST_AFTER_S) -> None:
        """A portal that just starts has other things to do first."""
        self._child: subprocess.Popen[bytes] | None = None
        self._not_before = time.monotonic() + first_after_s

    def nudge(self) -> None:
        if self._child is not None:
            if self._child.poll() is None:
                return
            if self._child.returncode not in {0, 1, 3}:
                log.error("evidence.check_broke", status=self._child.returncode)
            self._child = None
        if time.monotonic() < self._not_before:
            return
        self._not_before = time.monotonic() + AGAIN_AFTER_S
        if log_checks.due(at=now()):
            self._child = subprocess.Popen(PROGRAM, stdout=subprocess.DEVNULL)
            os.setpriority(os.PRIO_PROCESS, self._child.pid, 15)

    def end(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            self._child.wait(timeout=10)
