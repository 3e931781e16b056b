"""One process of the portal over its lives: started, ended, started again with growing pauses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from opsportal.supervisor.parts import LAUNCHER, Part

STEADY_S = 30.0
LONGEST_PAUSE_S = 15.0
LARGEST_LOG_BYTES = 10 * 1024 * 1024


class Child:
    """A part and its present process. Every method is called from the supervisor's one thread, except `pid`."""

    def __init__(self, part: Part, environ: Mapping[str, str], *, cwd: Path, log: Path | None) -> None:
        self.part = part
        self.starts = 0
        self.next_start_at = 0.0
        self._environ = dict(environ)
        self._cwd = cwd
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause_s = 0.25

    @property
    def pid(self) -> int | None:
        """The living process's id."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches the supervisor alone, which ends all in order."""
        guard = [sys.executable, "-I", "-S", LAUNCHER, str(os.getpid())]
        output = self._opened_log()
        try:
            self._process = subprocess.Popen(
                [*guard, *self.part.argv],
                env=self._environ,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if output is not None:
                os.close(output)
        self._started_at = time.monotonic()
        self.starts += 1

    def poll(self) -> int | None:
        """The exit status if it has just been found dead; None if it lives or that was already told."""
        if self._process is None or self._process.poll() is None:
            return None
        status = self._process.returncode
        steady = time.monotonic() - self._started_at > STEADY_S
        self._pause_s = 0.25 if steady else min(self._pause_s * 2, LONGEST_PAUSE_S)
        self.next_start_at = time.monotonic() + self._pause_s
        self._process = None
        return status

    def send(self, number: int) -> None:
        """Send a signal to the process, if it lives."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def end(self) -> None:
        """SIGTERM, then after the part's grace SIGKILL to it and whatever it started in its group."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(self.part.grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _opened_log(self) -> int | None:
        if self._log is None:
            return None
        if self._log.exists() and self._log.stat().st_size > LARGEST_LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        return os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
