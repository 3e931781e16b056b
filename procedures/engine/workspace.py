"""The folders that steps of one run share: made when the first step wants one, gone when the run ends or waits."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path

from procedures.domain.ports import Workspace

PREFIX = "opsportal-workspace-"
PLACE = "/var/tmp"  # noqa: S108 - mkdtemp makes a folder there that nobody else can enter


class Workspaces:
    """One workspace per procedure of the run: what is called sees nothing of its caller's files."""

    def __init__(self) -> None:
        self._made: dict[str, Path] = {}
        self._lock = threading.Lock()

    def of(self, prefix: str) -> Workspace:
        """The workspace of the steps under this prefix; the same one each time."""
        with self._lock:
            if prefix not in self._made:
                self._made[prefix] = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
            root = self._made[prefix]
            found = Workspace(root / "files", root / "published")
            for folder in (found.files, found.published):
                folder.mkdir(mode=0o700, exist_ok=True)
            return found

    def close(self) -> None:
        """Delete every folder. Safe to call twice."""
        with self._lock:
            for root in self._made.values():
                shutil.rmtree(root, ignore_errors=True)
            self._made.clear()
