"""Three daemons that leave whoever started them as thoroughly as a process can, and how long they live on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.actions.calls import processes

COUNT = 3
# Forked twice, each in a session of its own, without any open file, deaf to a hang-up and to a polite end.
DAEMONS = """
import os, signal, sys
for number in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.setsid() if os.getpid() != os.getsid(0) else None
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.chdir("/")
        os.closerange(0, 256)
        os.execvp("sleep", ["sleep", sys.argv[1]])
    os.wait()
"""
WAITS = DAEMONS + "import time\ntime.sleep(120)\n"


def fresh_mark() -> str:
    """A length of sleep that no other process has."""
    return f"9{time.time_ns() % 10**9}"


def sleeping(mark: str) -> list[int]:
    """Pids of the daemons that live; of whoever started them the command line begins otherwise."""
    return [pid for pid in processes(mark) if _name(pid) == "sleep"]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def ended_after(start: Callable[[str, threading.Event], object], strike: Callable[[threading.Event], None]) -> float:
    """Seconds between the strike and the death of the last of them, looked at every 10 ms for a minute at most."""
    mark, cancelled = fresh_mark(), threading.Event()
    at_work = threading.Thread(target=start, args=(mark, cancelled), daemon=True)
    at_work.start()
    until(lambda: len(sleeping(mark)) == COUNT, "they did not begin")
    began = time.monotonic()
    strike(cancelled)
    until(lambda: not sleeping(mark), "they live on")
    took = time.monotonic() - began
    cancelled.set()
    at_work.join(30)
    return took


def until(true: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until, otherwise
        time.sleep(0.01)


def quickest(measure: Callable[[], float], bound: float, tries: int = 3) -> list[float]:
    """Measured until one try is within the bound: a busy machine may be late, a leak is always."""
    took: list[float] = []
    while not took or (min(took) > bound and len(took) < tries):
        took.append(round(measure(), 3))
    return took
