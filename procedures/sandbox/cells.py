"""Starts cells for a process that itself may not: Landlock forbids mounts, so the starter begins before it is applied.

The starter holds nothing: it knows no settings, no database and no key. It is asked over a socket, each time with the
connection that the new cell shall have as its input and output, and ends every cell when its time is over.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from procedures.domain.errors import OpsError

ROOT = Path(__file__).resolve().parent.parent.parent
CELL = Path(__file__).with_name("cell.py")
ENVIRON = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
UID_FIRST, UID_LAST = 64_064, 64_127
UID = "OPSPORTAL_CELL_UID"


class NoCell(OpsError):
    """This host or its starter gives no cell, so what nobody has reviewed does not run."""

    code = "sandbox.no-cell"
    next_step = "Allow user namespaces on this host, or start the disposable pool again."


class Cells:
    """Asks the starter. `hidden` are the folders that no cell may see."""

    def __init__(self, hidden: Sequence[Path]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from procedures.sandbox.cells import main; main()"
            argv = [sys.executable, "-I", "-c", code, str(theirs.fileno()), *map(str, hidden)]
            self._starter = subprocess.Popen(
                argv, env=ENVIRON, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(theirs.fileno(),)
            )

    def open(self, module: str, *, seconds: float) -> socket.socket:
        """A connection to a new cell that runs `module` and lives for so long at most. Raises NoCell."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._ours, [f"{seconds} {module}".encode()], [theirs.fileno()])
        except OSError as problem:
            ours.close()
            raise NoCell(f"The starter of cells is gone: {problem}") from problem
        return ours

    def close(self) -> None:
        self._ours.close()
        self._starter.wait(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    """The starter: a cell for each request, until whoever asks is gone; then every cell ends."""
    asked = socket.socket(fileno=int(sys.argv[1]))
    hidden = sys.argv[2:]
    alive: dict[int, subprocess.Popen[bytes]] = {}
    while True:
        word, fds, _, _ = socket.recv_fds(asked, 4096, 1)
        if not word:
            break
        seconds, module = word.decode().split(" ")
        uid = next((uid for uid in range(UID_FIRST, UID_LAST + 1) if uid not in alive), None)
        if uid is not None:
            alive[uid] = process = _started(fds[0], hidden, module, uid)
            threading.Thread(target=_ended_in_time, args=(process, float(seconds), alive, uid), daemon=True).start()
        os.close(fds[0])
    for process in list(alive.values()):
        _kill(process)


def _started(connection: int, hidden: Sequence[str], module: str, uid: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-I", "-S", str(CELL), str(ROOT), *hidden, "--", module]
    environ = {**ENVIRON, UID: str(uid)}
    return subprocess.Popen(argv, env=environ, stdin=connection, stdout=connection, start_new_session=True)


def _ended_in_time(
    process: subprocess.Popen[bytes], seconds: float, alive: dict[int, subprocess.Popen[bytes]], uid: int
) -> None:
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    _kill(process)
    del alive[uid]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The cell's first process dies with its parent, and every process of the cell with its first."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
