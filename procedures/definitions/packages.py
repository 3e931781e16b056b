"""Actions of other packages: found by entry point, marked by the bytes that lie on this machine (H4)."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from uuid import uuid4

GROUP = "opsportal.actions"
NO_BYTE_CODE = "/dev/null/opsportal"
_NOBODY_ELSE = uuid4().hex
_loaded: dict[str, str] = {}


@cache
def offered() -> tuple[EntryPoint, ...]:
    """The actions of other packages, as they were installed when this process first asked.

    Where there are any, Python reads sources alone from here on: byte code beside them is in no mark, and a file of it
    can say of itself that it need not be compared with its source (PEP 552).
    """
    found = tuple(entry_points(group=GROUP))
    if found:
        sys.pycache_prefix, sys.dont_write_bytecode = NO_BYTE_CODE, True
    return found


def loaded(action: str, point: EntryPoint) -> None:
    """Remember what lay on the machine when the action's code was read into this process."""
    _loaded[action] = mark(point)


def marks() -> dict[str, str]:
    """Id → mark of each package's action, hashed now.

    Bytes that changed since they were loaded have a mark of their own,
    that nobody ever accepted: what runs here is then neither what lies there nor what was reviewed.
    """
    now = {action: mark(point) for action, point in _points().items()}
    return {
        action: found if _loaded.get(action) == found else f"changed-since-start:{_NOBODY_ELSE}"
        for action, found in now.items()
    }


def _points() -> dict[str, EntryPoint]:
    return {point.load().id: point for point in offered()}


def mark(point: EntryPoint) -> str:
    """`name:version:sha256` over every file that the package's RECORD names and every file beside them."""
    dist = point.dist
    if dist is None or not dist.files:
        return f"unpinned:{_NOBODY_ELSE}"
    digest = hashlib.sha256()
    for name, path in sorted(_files(dist).items()):
        content = path.read_bytes() if path.is_file() else b"missing"
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return f"{dist.name}:{dist.version}:{digest.hexdigest()}"


def _files(dist: Distribution) -> dict[str, Path]:
    """Names in the package → places, byte code apart; a file that was put beside the package's own counts too."""
    listed = {str(file): Path(str(dist.locate_file(file))) for file in dist.files or ()}
    root = Path(str(dist.locate_file("")))
    folders = {name.partition("/")[0] for name in listed if "/" in name and not name.startswith(("..", "/"))}
    beside = {
        path.relative_to(root).as_posix(): path
        for folder in folders
        for path in (root / folder).rglob("*")
        if not path.is_dir()
    }
    return {name: path for name, path in (listed | beside).items() if "__pycache__" not in name}
