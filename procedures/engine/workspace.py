"""The folders that steps of one run share: made when the first step wants one, gone when the run ends or waits.

A runner that dies leaves its folder behind, unlocked; the next workspace that is made on this host sweeps it away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from procedures.domain.ports import Workspace

PREFIX = "opsportal-workspace-"
PLACE = Path("/var/tmp")  # noqa: S108 - mkdtemp makes a folder there that nobody else can enter
LOCK = "lock"
YOUNG_S = 60.0


class Workspaces:
    """One workspace per procedure of the run: what is called sees nothing of its caller's files."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Path, int]] = {}
        self._guard = threading.Lock()

    def of(self, prefix: str) -> Workspace:
        """The workspace of the steps under this prefix; the same one each time."""
        with self._guard:
            if prefix not in self._made:
                sweep()
                root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
                self._made[prefix] = root, _locked(root)
            root = self._made[prefix][0]
            found = Workspace(root / "files", root / "published")
            for folder in (found.files, found.published):
                folder.mkdir(mode=0o700, exist_ok=True)
            return found

    def close(self) -> None:
        """Delete every folder. Safe to call twice."""
        with self._guard:
            for root, lock in self._made.values():
                shutil.rmtree(root, ignore_errors=True)
                os.close(lock)
            self._made.clear()


def _locked(root: Path) -> int:
    """A descriptor that holds the folder's lock for as long as this process lives."""
    lock = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def sweep() -> None:
    """Delete what runners of this user that are gone have left behind."""
    for root in PLACE.glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = root.lstat()
            if stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and time.time() - about.st_mtime > YOUNG_S:
                _delete_unless_held(root)


def _delete_unless_held(root: Path) -> None:
    lock = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(root, ignore_errors=True)
    finally:
        os.close(lock)
