"""Files that a source names and that lie on the importing machine: below the folder that the user gave alone.

A job file is somebody else's: it may name anything, so no step upwards and no link is followed (H37).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

Nearby = Callable[[str], tuple[str, bytes] | None]
MOST = 1024 * 1024


def nearby(home: Path, root: Path) -> Nearby:
    """Looks for a path beside the job file, and for a server's absolute path by its longest end below the root."""

    def look(written: str) -> tuple[str, bytes] | None:
        for place in _places(PurePosixPath(written), home.resolve(), root.resolve()):
            if place.is_file() and place.resolve() == place and place.stat().st_size <= MOST:
                return str(place.relative_to(root.resolve())), place.read_bytes()
        return None

    return look


def _places(written: PurePosixPath, home: Path, root: Path) -> Iterator[Path]:
    if ".." in written.parts:
        return
    if not written.is_absolute() and home.is_relative_to(root):
        yield home / written
    parts = written.parts[1:] if written.is_absolute() else written.parts
    for start in range(len(parts)):
        yield root.joinpath(*parts[start:])
