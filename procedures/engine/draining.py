"""A runner that was told to stop takes nothing new, ends the step under way within its time, and lets its runs go."""

from __future__ import annotations

import threading
import time

wanted = threading.Event()
_until: list[float] = []


def begin(limit_s: float) -> None:
    """From now on every run is let go of at its next step; a step that lasts longer than `limit_s` is stopped."""
    if not wanted.is_set():
        _until[:] = [time.monotonic() + limit_s]
        wanted.set()


def over() -> bool:
    """Whether the time is over within which steps under way may end by themselves."""
    return bool(_until) and time.monotonic() >= _until[0]


def end() -> None:
    """Forget it, for a process that goes on."""
    _until.clear()
    wanted.clear()
