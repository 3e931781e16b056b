"""Actions of other packages: found by entry point, marked by the bytes that lie on this machine (H4)."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from uuid import uuid4

GROUP = "opsportal.actions"
_NOBODY_ELSE = uuid4().hex
_known: dict[EntryPoint, tuple[str, str]] = {}


@cache
def offered() -> tuple[EntryPoint, ...]:
    """The actions of other packages, as they were installed when this process first asked."""
    return tuple(entry_points(group=GROUP))


def known(point: EntryPoint, action: str, found: str) -> None:
    """Remember which action a package's code said it is, and the mark of the bytes that said so."""
    _known[point] = (action, found)


def marks() -> dict[str, str]:
    """Id → mark of each package's action, hashed now.

    Bytes that changed since they told what the action takes have a mark of their own, that nobody ever accepted: what
    would run here is then not what this process judged.
    """
    rows = {point: _known[point] for point in offered() if point in _known}
    return {
        action: first if mark(point) == first else f"changed-since-start:{_NOBODY_ELSE}"
        for point, (action, first) in rows.items()
    }


def mark(point: EntryPoint, copy: Path | None = None) -> str:
    """`name:version:sha256` over every file that the package's RECORD names and every file beside them.

    With `copy`, those files are written there as they are hashed: what is run from there is what has this mark, and no
    byte code, of which a file can say that it need not be compared with its source (PEP 552).
    """
    dist = point.dist
    if dist is None or not dist.files:
        return f"unpinned:{_NOBODY_ELSE}"
    digest = hashlib.sha256()
    for name, path in sorted(_files(dist).items()):
        content = path.read_bytes() if path.is_file() else b"missing"
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        if copy is not None and path.is_file() and not name.startswith("/") and ".." not in name.split("/"):
            place = copy / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return f"{dist.name}:{dist.version}:{digest.hexdigest()}"


def root(point: EntryPoint) -> Path:
    """The folder into which the package was installed. Raises LookupError where nobody knows."""
    if point.dist is None:
        raise LookupError(point.value)
    return Path(str(point.dist.locate_file("")))


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
