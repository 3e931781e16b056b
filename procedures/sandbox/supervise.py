"""The process above a step in tier C: confines it, and stays until nothing that it started is alive.

It is the step's subreaper: whatever a step leaves behind, also by forking twice, becomes a child of this process and
not of the host's first. It reads one line of JSON from its lifeline; when a second one comes, when the other end closes
since the runner is dead, or when the step's own process has ended, everything below is killed. prctl(2).
"""

from __future__ import annotations

import base64
import ctypes
import errno
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from procedures.sandbox import landlock, seccomp

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
NOT_CONFINED, NOT_THERE = 71, 127
DEAD = frozenset("ZX")
# Python ignores these two; a program that is started expects otherwise.
USUAL = (signal.SIGPIPE, signal.SIGXFSZ)
# What of /proc a program may read: about the machine, and about itself.
OF_PROC = (
    *("self", "meminfo", "cpuinfo", "stat", "loadavg", "uptime", "version", "filesystems", "sys/kernel/osrelease"),
    *("sys/vm/overcommit_memory", "sys/kernel/cap_last_cap", "sys/kernel/random/uuid", "sys/fs/pipe-max-size"),
)
DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))


def main() -> None:
    """Start the step that the lifeline asks for, and end as it ends: its status, or 128 and the signal."""
    lifeline = int(sys.argv[1])
    os.set_inheritable(lifeline, False)
    asked = json.loads(_line(lifeline))
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    _lend(asked)
    step = os.fork()
    if step == 0:
        _become(asked)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)  # so that its end shows when the step's own streams close
    status = _watched(step, lifeline, wake)
    _end_all(None if asked["shared"] else asked["uid"])
    shutil.rmtree(asked["lent_home"], ignore_errors=True)
    os._exit(status if status is not None else 128 + signal.SIGKILL)


def _line(lifeline: int) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = os.read(lifeline, 65_536)
        if not piece:
            os._exit(NOT_CONFINED)
        data += piece
    return data


def _lend(asked: dict[str, Any]) -> None:
    """Secrets as files that lie in memory and that the step alone reads; this process takes them away at its end."""
    if asked["lent"]:
        home = Path(asked["lent_home"])
        home.mkdir(mode=0o700)
        for name, data in asked["lent"].items():
            place = home / name
            place.touch(mode=0o400)
            place.chmod(0o600)
            place.write_bytes(base64.b64decode(data))
            place.chmod(0o400)
        if not asked["shared"]:
            for place in (*home.iterdir(), home):
                os.chown(place, asked["uid"], asked["uid"])


def _watched(step: int, lifeline: int, wake: int) -> int | None:
    """How the step's own process ended; None if the lifeline closed before. Whatever else ends meanwhile is reaped."""
    waiting = select.poll()
    waiting.register(lifeline, select.POLLIN | select.POLLHUP)
    waiting.register(wake, select.POLLIN)
    while True:
        while (ended := _reaped()) is not None:
            if ended[0] == step:
                return os.waitstatus_to_exitcode(ended[1]) if os.WIFEXITED(ended[1]) else 128 + os.WTERMSIG(ended[1])
        ready = {number for number, _ in waiting.poll()}
        if lifeline in ready:
            return None
        with suppress(BlockingIOError):
            os.read(wake, 4096)


def _reaped() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _end_all(uid: int | None) -> None:
    """Kill until nothing below this process lives.

    Meanwhile nobody is reaped: the dead keep their places in the step's limit, so that whatever forks as fast as it is
    killed runs out of them. Under a user id of its own all of a step is killed in one act of the kernel's.
    """
    if uid is not None:
        _kill_all_of(uid)
    while living := _below():
        for pid in living:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)
    while _reaped() is not None:
        pass


def _kill_all_of(uid: int) -> None:
    killer = os.fork()
    if killer == 0:
        with suppress(OSError):
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    with suppress(ChildProcessError):
        os.waitpid(killer, 0)


def _below() -> list[int]:
    """Whoever lives among this process's children, their children, and so on."""
    parents: dict[int, list[int]] = {}
    alive = set()
    for entry in _processes():
        with suppress(OSError, ValueError):
            state, parent = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()[:2]
            parents.setdefault(int(parent), []).append(int(entry.name))
            if state.decode() not in DEAD:
                alive.add(int(entry.name))
    found, wanted = [], [os.getpid()]
    while wanted:
        children = parents.get(wanted.pop(), [])
        found += children
        wanted += children
    return [pid for pid in found if pid in alive]


def _processes() -> list[os.DirEntry[str]]:
    with os.scandir("/proc") as entries:
        return [entry for entry in entries if entry.name.isdigit()]


def _become(asked: dict[str, Any]) -> None:
    """Give up every right, one after another, and become the program. Never returns."""
    try:
        os.setsid()
        os.closerange(3, 1 << 20)
        for number in USUAL:
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        _limit(asked)
        _be_the_user(asked)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        os.chdir(asked["scratch"])
        landlock.restrict(
            readable=[*asked["readable"], *(f"/proc/{name}" for name in OF_PROC)],
            writable=[asked["scratch"]],
            devices=DEVICES,
            network=asked["network"],
            found=landlock.version(),
        )
        seccomp.restrict(network=asked["network"], shared=asked["shared"])
    except (OSError, ValueError) as problem:
        os.write(2, f"no sandbox: {problem}\n".encode())
        os._exit(NOT_CONFINED)
    try:
        os.execvpe(asked["argv"][0], asked["argv"], asked["env"])
    except (OSError, ValueError) as problem:
        os.write(2, f"{asked['argv'][0]}: {problem}\n".encode(errors="backslashreplace"))
        os._exit(NOT_THERE)


def _be_the_user(asked: dict[str, Any]) -> None:
    """Raises OSError where that would be root."""
    if not asked["shared"]:
        os.setgroups([])
        os.setresgid(asked["uid"], asked["uid"], asked["uid"])
        os.setresuid(asked["uid"], asked["uid"], asked["uid"])
    if 0 in os.getresuid():
        raise OSError(errno.EPERM, "no step runs as root")


def _limit(asked: dict[str, Any]) -> None:
    """Processes are counted by user id; where that is the runner's, what it has already does not count."""
    limits = asked["limits"]
    processes = limits["processes"] + (_tasks_of(os.getuid()) if asked["shared"] else 0)
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, limits["cpu_s"], limits["cpu_s"] + 2),
        (resource.RLIMIT_DATA, limits["memory_bytes"], limits["memory_bytes"]),
        (resource.RLIMIT_NPROC, processes, processes),
        (resource.RLIMIT_NOFILE, limits["files"], limits["files"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        most = resource.getrlimit(kind)[1]
        held = [value if most == resource.RLIM_INFINITY else min(value, most) for value in (soft, hard)]
        resource.setrlimit(kind, (held[0], held[1]))


def _tasks_of(uid: int) -> int:
    """How many threads of this user there are, as far as can be seen from here."""
    count = 0
    for entry in _processes():
        with suppress(OSError):
            if entry.stat().st_uid == uid:
                count += sum(1 for _ in Path(entry.path, "task").iterdir())
    return count


def _prctl(what: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(what, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {what}: {os.strerror(ctypes.get_errno())}")
