"""Takes declared files out of what a step left behind: plain files below its folder, no link followed, bounded."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from procedures.domain.errors import OpsError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class NotKept(OpsError):
    """A declared file that is missing, too big, or no plain file below the step's own folder."""

    code = "artifact.not-kept"
    next_step = "Let the step write a plain file to the path that its `artifacts` name, within the limit."


def collect(folder: Path, path: str, most: int) -> bytes:
    """The bytes of a file that a step made; no part of its path may be a link. Raises NotKept."""
    *above, name = path.split("/")
    if not name or {"", ".", ".."} & set(above) or name in {".", ".."}:
        raise NotKept(f"{path!r} is not a path below the step's folder.")
    place = os.open(folder, FOLDER)
    try:
        for part in above:
            inner = _opened(part, FOLDER, place, path)
            os.close(place)
            place = inner
        fd = _opened(name, FILE, place, path)
    finally:
        os.close(place)
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
            raise NotKept(f"{path} is not a plain file of its own.")
        if about.st_size > most:
            raise NotKept(f"{path} has {about.st_size:,} bytes; at most {most:,} are kept.")
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(fd)


def _opened(name: str, how: int, place: int, path: str) -> int:
    try:
        return os.open(name, how, dir_fd=place)
    except FileNotFoundError as problem:
        raise NotKept(f"The step made no file {path}.") from problem
    except OSError as problem:
        raise NotKept(f"{path} is a link, or no plain file: {problem.strerror}.") from problem
