"""Attacks on other processes, and on what all of a host share."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
from contextlib import closing, suppress
from pathlib import Path

from procedures.sandbox.hostile.attack import Facts, attack, libc, number_of

PTRACE_ATTACH, PTRACE_DETACH = 16, 17
MORE = 48  # forks beyond the limit: where it counts the runner's own threads too, some may have ended meanwhile


@attack
def read_environment(facts: Facts) -> bool:
    return facts["mark"] in Path(f"/proc/{facts['pid']}/environ").read_text(errors="replace")


@attack
def read_command_line(facts: Facts) -> bool:
    return _is_the_victim(facts)


@attack
def find_processes(facts: Facts) -> bool:
    return f"/proc/{facts['pid']}" in map(str, Path("/proc").iterdir()) and _may_be_the_victim(facts)


@attack
def inherit_environment(facts: Facts) -> bool:
    """A variable of the runner's, in the own environment or in that of whoever stands above."""
    for pid in ("self", "1", str(os.getppid())):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
            if any(word.partition("=")[0] == facts["canary"] for word in words):
                return True
    return facts["canary"] in os.environ


@attack
def trace(facts: Facts) -> bool:
    found = libc()
    found.ptrace.argtypes = [ctypes.c_long] * 4
    if not _may_be_the_victim(facts) or found.ptrace(PTRACE_ATTACH, facts["pid"], 0, 0) != 0:
        return False
    os.waitpid(facts["pid"], 0)
    found.ptrace(PTRACE_DETACH, facts["pid"], 0, 0)
    return True


@attack
def read_memory(facts: Facts) -> bool:
    """A byte of the victim's program, which lies at an address that it told."""
    here = ctypes.create_string_buffer(4)
    own = (ctypes.c_size_t * 2)(ctypes.addressof(here), 4)
    theirs = (ctypes.c_size_t * 2)(facts["address"], 4)
    words = (facts["pid"], own, ctypes.c_ulong(1), theirs, ctypes.c_ulong(1), ctypes.c_ulong(0))
    return _may_be_the_victim(facts) and int(libc().syscall(number_of("vm_read"), *words)) == len(here)


@attack
def send_signals(facts: Facts) -> bool:
    os.kill(facts["pid"], 0)
    return _may_be_the_victim(facts)


@attack
def limit_others(facts: Facts) -> bool:
    kind = resource.RLIMIT_CORE
    resource.prlimit(facts["pid"], kind, resource.prlimit(facts["pid"], kind))
    return _may_be_the_victim(facts)


@attack
def slow_others(facts: Facts) -> bool:
    os.setpriority(os.PRIO_PROCESS, facts["pid"], os.getpriority(os.PRIO_PROCESS, facts["pid"]))
    return _may_be_the_victim(facts)


@attack
def pin_others(facts: Facts) -> bool:
    os.sched_setaffinity(facts["pid"], os.sched_getaffinity(facts["pid"]))
    return _may_be_the_victim(facts)


@attack
def share_memory(facts: Facts) -> bool:
    return int(libc().shmget(facts["shm"], 0, 0)) >= 0


@attack
def fork_without_end(facts: Facts) -> bool:
    """As many processes as the limit and some more; they end with this one at the latest."""
    born: list[int] = []
    try:
        for _ in range(facts["processes"] + MORE):
            pid = os.fork()
            if pid == 0:
                signal.pause()
                os._exit(0)
            born.append(pid)
        return True
    finally:
        for pid in born:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@attack
def take_memory(facts: Facts) -> bool:
    """More than the limit, without touching it."""
    with closing(mmap.mmap(-1, facts["memory_bytes"] + (64 << 20), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)):
        return True


def _is_the_victim(facts: Facts) -> bool:
    """Its last argument is the mark; the own command line holds that too, in the middle."""
    return Path(f"/proc/{facts['pid']}/cmdline").read_text(errors="replace").endswith(f"\0{facts['mark']}\0")


def _may_be_the_victim(facts: Facts) -> bool:
    """False where its number is somebody else's here, as it may be in a name space of processes."""
    try:
        return _is_the_victim(facts)
    except OSError:
        return True
