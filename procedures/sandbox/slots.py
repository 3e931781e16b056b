"""A user id of its own for each step that runs at the same time, so that limits and kills meet nobody else."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from procedures.domain.errors import OpsError

FIRST, LAST = 64_000, 64_063


class NoSlot(OpsError):
    """Every sandbox user id of this host is in use."""

    code = "sandbox.no-slot"
    next_step = "Wait until other local steps have ended, or add a runner on another host."


@contextmanager
def slot() -> Iterator[int]:
    """A uid that no other step on this host uses now; our own uid when the runner is not root. Raises NoSlot."""
    if os.geteuid() != 0:
        yield os.geteuid()
        return
    folder = Path(tempfile.gettempdir()) / "opsportal-slots"
    folder.mkdir(mode=0o700, exist_ok=True)
    for uid in range(FIRST, LAST + 1):
        fd = os.open(folder / str(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        try:
            yield uid
        finally:
            os.close(fd)
        return
    raise NoSlot("All sandbox slots of this host are busy.")
