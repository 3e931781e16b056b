"""What the hostile probes are let loose on: a process, its files and its sockets, which a sandbox must hide from them.

Everything is open to every user id: only the sandbox stands between.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from procedures.sandbox.limits import Limits

COMMON = frozenset({"PATH", "HOME", "LANG", "PWD", "SHLVL", "_", "LC_ALL", "LC_CTYPE"})
LIMITS = Limits(cpu_s=20, memory_bytes=512 << 20, processes=16, files=256, file_bytes=1 << 20)
SLEEP = (
    "import ctypes, signal, sys; kept = ctypes.create_string_buffer(sys.argv[1].encode()); "
    "print(ctypes.addressof(kept), flush=True); signal.pause()"
)
FILES = ("empty", "mode", "doomed")


@contextmanager
def victim() -> Iterator[dict[str, Any]]:
    """The facts that `hostile.py` wants, true as long as this lasts."""
    mark = token_hex(8)
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="opsportal-victim-", dir="/var/tmp"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o777)
        for name in ("key", *FILES):
            (home / name).write_text(mark)
            (home / name).chmod(0o666)
        process = stack.enter_context(_process(mark))
        yield {
            "mark": mark,
            "canary": next(iter(sorted(set(os.environ) - COMMON)), ""),
            "folder": str(home),
            **{name: str(home / name) for name in ("key", *FILES)},
            "memory": _in_memory(mark, stack),
            "pid": process.pid,
            "address": int((process.stdout or sys.stdin).readline()),
            "shm": _segment(stack),
            **_sockets(home, mark, stack),
            **{name: getattr(LIMITS, name) for name in ("file_bytes", "processes", "memory_bytes")},
        }


@contextmanager
def _process(mark: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-I", "-S", "-c", SLEEP, mark]
    with subprocess.Popen(argv, env={"MARK": mark}, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _in_memory(mark: str, stack: ExitStack) -> str:
    """A file in /dev/shm; "" where there is none, and nothing to attack."""
    if not Path("/dev/shm").is_dir():  # noqa: S108
        return ""
    handle, name = tempfile.mkstemp(prefix="opsportal-victim-", dir="/dev/shm")
    os.close(handle)
    place = Path(name)
    stack.callback(place.unlink, missing_ok=True)
    place.write_text(mark)
    place.chmod(0o666)
    return name


def _segment(stack: ExitStack) -> int:
    """The key of a System V segment that everybody may read."""
    libc = ctypes.CDLL(None)
    key = int.from_bytes(os.urandom(3), "big") + 1
    segment = libc.shmget(key, 4096, 0o1666)
    if segment >= 0:
        stack.callback(libc.shmctl, segment, 0, None)
    return key


def _sockets(home: Path, mark: str, stack: ExitStack) -> dict[str, Any]:
    tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    echo = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    echo.bind(("127.0.0.1", 0))
    threading.Thread(target=_echo, args=(echo,), daemon=True).start()
    for address in (str(home / "socket"), f"\0{mark}"):
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(address)
        listening.listen()
    (home / "socket").chmod(0o777)
    return {
        "port": tcp.getsockname()[1],
        "echo": echo.getsockname()[1],
        "socket": str(home / "socket"),
        "abstract": mark,
    }


def _echo(link: socket.socket) -> None:
    with suppress(OSError):
        while True:
            data, sender = link.recvfrom(16)
            link.sendto(data, sender)
