"""The discussion as a page shows it: threads at their lines, the form at the line that was chosen, the rest apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from procedures.domain.line_diff import Row
from procedures.domain.text import visible
from procedures.queries.discussions import Thread
from procedures.queries.file_diffs import FileDiff


@dataclass(frozen=True, slots=True)
class Place:
    """Where a remark is to stand; `line` None is the whole file, an empty path the whole version."""

    path: str
    line: int | None

    @property
    def told(self) -> str:
        where = visible(self.path, code=True)
        return f"line {self.line} of {where}" if self.line else where or "the whole version"


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a diff with what was said there, and whether the form stands under it."""

    row: Row
    threads: Sequence[Thread] = ()
    form: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file of the page: its lines, its name with nothing hidden, and whether it starts unfolded."""

    path: str
    shown: str
    diff: FileDiff
    lines: list[Line]
    threads: list[Thread]
    form: bool
    open: bool
    there: bool


@dataclass(slots=True)
class Board:
    """Threads and the chosen place, handed out line by line; what is not taken stays in `rest`."""

    threads: list[Thread]
    chosen: Place | None
    taken: set[int] = field(default_factory=set)

    def at(self, path: str, line: int | None) -> list[Thread]:
        """Threads of that place that no other place has taken; `line` None: those about the whole file."""
        here = [t for t in self.threads if path and t.first.path == path and id(t) not in self.taken]
        found = [t for t in here if t.line == line and (line is not None or t.first.line is None)]
        self.taken |= {id(thread) for thread in found}
        return found

    def file(self, diff: FileDiff, *, opened: bool, there: bool) -> File:
        """A file with its threads; one that is talked about starts unfolded."""
        talked = {t.line for t in self.threads if t.first.path == diff.path and t.line is not None}
        lines = [
            Line(row, self.at(diff.path, row.new), self._is_chosen(diff.path, row.new))
            if row.new is not None and (row.new in talked or self._is_chosen(diff.path, row.new))
            else Line(row)
            for row in diff.rows
        ]
        whole = self.at(diff.path, None)
        here = self.chosen is not None and self.chosen.path == diff.path
        form = here and self.chosen is not None and self.chosen.line is None
        unfolded = opened or here or bool(whole) or any(line.threads for line in lines)
        return File(diff.path, visible(diff.path, code=True), diff, lines, whole, form, unfolded, there)

    def _is_chosen(self, path: str, line: int) -> bool:
        return self.chosen is not None and (self.chosen.path, self.chosen.line) == (path, line)

    @property
    def rest(self) -> list[Thread]:
        """About the whole version, or at a place that the page does not show."""
        return [thread for thread in self.threads if id(thread) not in self.taken]


def place(text: str) -> Place | None:
    """`path:line` as a place; None for nothing chosen. A path may hold colons."""
    if not text:
        return None
    path, _, line = text.rpartition(":")
    if path and line.isascii() and line.isdigit() and len(line) < 9:
        return Place(path, int(line) or None)
    return Place(text, None)
