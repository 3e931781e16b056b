"""Paths inside a run's workspace: nothing leaves it, nothing enters `.git`, and it never grows beyond its limits."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from procedures.domain.errors import OpsError

MAX_FILES = 5_000
MAX_BYTES = 50 * 1024 * 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


class PathRefused(OpsError):
    """A path that leaves the workspace, or a workspace that grows too big."""

    code = "workspace.path-refused"
    next_step = "Name plain files below the workspace; a value that becomes part of a path holds no `..`."


def clean(path: str) -> str:
    """A relative path without `.` parts; "" is the workspace itself. Raises PathRefused."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if path.startswith("/") or _CONTROL.search(path) or ".." in parts:
        raise PathRefused(f"{path[:200]!r} is not a path inside the workspace.")
    if any(len(part.encode()) > 255 or part.lower().rstrip(". ") in {".git", "git~1"} for part in parts):
        raise PathRefused(f"{path[:200]!r} holds a name that is too long or belongs to git.")
    return "/".join(parts)


def inside(root: Path, path: str) -> Path:
    """The place of a path below the workspace. Raises PathRefused, also for a link on the way."""
    place = root
    for part in clean(path).split("/"):
        place = place / part if part else place
        if place.is_symlink():
            raise PathRefused(f"{path[:200]!r} passes through a link.")
    return place


def listed(root: Path) -> Iterator[tuple[str, Path]]:
    """(path, place) of every file, sorted."""
    for folder, below, names in os.walk(root):
        below.sort()
        for name in sorted(names):
            place = Path(folder) / name
            yield place.relative_to(root).as_posix(), place


def write(root: Path, path: str, data: bytes) -> None:
    """Write one file. Raises PathRefused, also where a folder of that name stands."""
    place = inside(root, path)
    if place == root or place.is_dir():
        raise PathRefused(f"{path[:200]!r} is a folder.")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    except (FileExistsError, NotADirectoryError) as problem:
        raise PathRefused(f"{path[:200]!r} lies below a file.") from problem


def require_room(root: Path, files: int, size: int) -> None:
    """Raise PathRefused unless so much more still fits."""
    places = [place for _, place in listed(root)]
    if len(places) + files > MAX_FILES or sum(p.stat().st_size for p in places) + size > MAX_BYTES:
        raise PathRefused(f"The workspace would hold more than {MAX_FILES:,} files or {MAX_BYTES:,} bytes.")


def delete(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def glob(pattern: str) -> re.Pattern[str]:
    """A glob as globby reads it: `*` within a name, `**` across folders; a folder's name means all below it."""
    text = ""
    rest = pattern.removeprefix("./").rstrip("/")
    while rest:
        if rest.startswith("**/"):
            text, rest = text + "(?:[^/]+/)*", rest[3:]
        elif rest.startswith("**"):
            text, rest = text + ".*", rest[2:]
        elif rest.startswith("*"):
            text, rest = text + "[^/]*", rest.lstrip("*")
        elif rest.startswith("?"):
            text, rest = text + "[^/]", rest[1:]
        else:
            text, rest = text + re.escape(rest[0]), rest[1:]
    return re.compile(f"{text}(?:/.*)?")
