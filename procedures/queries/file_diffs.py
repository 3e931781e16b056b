"""The files of a version that differ from the accepted one, each as its changed lines, within what a page can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from procedures.domain import line_diff
from procedures.domain.line_diff import Row
from procedures.models import Version, VersionFile

MOST_ROWS = 3_000
MOST_ROWS_ALONE = 20_000
LARGEST = 512 * 1024
UNSHOWN = "The page is long enough without it."
Known = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class FileDiff:
    """`note` says why there are no rows; `alone` whether they can be had by opening this file alone."""

    path: str
    added: int
    removed: int
    rows: list[Row] = field(default_factory=list)
    note: str = ""
    alone: bool = False


def file_diffs(old: Version | None, new: Version) -> list[FileDiff]:
    """Every file that differs, the definition first; against nothing every line is added."""
    before, after = known(old), known(new)
    left = MOST_ROWS
    found = []
    for path in sorted(before.keys() | after.keys(), key=lambda p: (p != "procedure.yaml", p)):
        if before.get(path) == after.get(path):
            continue
        one = _file(old, new, path, before, after) if left > 0 else FileDiff(path, 0, 0, note=UNSHOWN, alone=True)
        if len(one.rows) > max(left, 0):
            one = FileDiff(path, one.added, one.removed, note=UNSHOWN, alone=True)
        left -= len(one.rows)
        found.append(one)
    return found


def one_file(old: Version | None, new: Version, path: str) -> FileDiff | None:
    """One file whole, changed or not; None if neither version holds it."""
    before, after = known(old), known(new)
    if path not in before and path not in after:
        return None
    one = _file(old, new, path, before, after, around=MOST_ROWS_ALONE)
    if not one.rows and not one.note and path in after:
        text = content(new, path).decode()
        rows = [
            Row("same", n, n, [(False, line_diff.shown(line))]) for n, line in enumerate(line_diff.lines_of(text), 1)
        ]
        one = FileDiff(path, 0, 0, rows)
    if len(one.rows) > MOST_ROWS_ALONE:
        return FileDiff(path, one.added, one.removed, note="Too long to show: download it to read it.")
    return one


def known(version: Version | None) -> Known:
    """Path → (SHA-256, size) of every file, without their bytes."""
    if version is None:
        return {}
    return {
        path: (mark, size) for path, mark, size in version.files.values_list("path", "content_sha256", "size_bytes")
    }


def content(version: Version | None, path: str) -> bytes:
    row = VersionFile.objects.filter(version=version, path=path).first() if version else None
    return bytes(row.content) if row else b""


def line_of(version: Version, path: str, line: int) -> str | None:
    """The text of one line of a version's file, or None where there is none."""
    try:
        lines = line_diff.lines_of(content(version, path).decode())
    except UnicodeDecodeError:
        return None
    return lines[line - 1] if 0 < line <= len(lines) else None


def _file(
    old: Version | None, new: Version, path: str, before: Known, after: Known, *, around: int = line_diff.AROUND
) -> FileDiff:
    sizes = [side[path][1] if path in side else 0 for side in (before, after)]
    if max(sizes) > LARGEST:
        return FileDiff(path, 0, 0, note=f"{max(sizes):,} bytes are too many to show: download it to read it.")
    try:
        a, b = (content(version, path).decode() for version in (old, new))
    except UnicodeDecodeError:
        return FileDiff(path, 0, 0, note=f"Not text: {sizes[0]:,} bytes before, {sizes[1]:,} bytes now.")
    rows = line_diff.rows(a, b, around=around)
    return FileDiff(path, sum(r.kind == "add" for r in rows), sum(r.kind == "del" for r in rows), rows)
