"""A run's output by line: from a place on, of one step or target, as text that a browser cannot mistake for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.db.models import F, QuerySet, Sum
from django.db.models.expressions import Value
from django.db.models.functions import Length, Replace

from procedures.domain.text import visible
from procedures.models import LogChunk

SGR = re.compile(r"\x1b\[([0-9;]*)m")
BASIC = {1: "a-b", 2: "a-d", 3: "a-i", 4: "a-u"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, or a piece of one. `key` is its anchor, `parts` are (css classes, text) pairs."""

    no: int
    key: str
    seq: int
    at: datetime
    step: str
    target: str
    stream: str
    parts: list[tuple[str, str]]


def chunks(run: UUID, *, step: str = "", target: str = "", after: int = 0) -> QuerySet[LogChunk]:
    """Output of a run in order, narrowed to a step and target, from behind one sequence number."""
    rows = LogChunk.objects.filter(run_id=run, seq__gt=after)
    if step:
        rows = rows.filter(step=step)
    if target:
        rows = rows.filter(target=target)
    return rows.order_by("seq")


def lines(rows: list[LogChunk], *, first_no: int = 1) -> Iterator[LogLine]:
    """The lines of some chunks. A chunk without a final newline still ends its line."""
    no = first_no
    for chunk in rows:
        for index, text in enumerate(chunk.text.removesuffix("\n").split("\n")):
            key = f"{chunk.seq}" if index == 0 else f"{chunk.seq}.{index}"
            yield LogLine(no, key, chunk.seq, chunk.at, chunk.step, chunk.target, chunk.stream, parts_of(text))
            no += 1


def newest(run: UUID, *, step: str, target: str, most: int) -> tuple[list[LogLine], int, bool]:
    """The last lines, the last sequence number, and whether there are earlier ones."""
    last = list(chunks(run, step=step, target=target).reverse()[:most])[::-1]
    if not last:
        return [], 0, False
    before = chunks(run, step=step, target=target).filter(seq__lt=last[0].seq)
    earlier = before.exists()
    return list(lines(last, first_no=lines_in(before) + 1)), last[-1].seq, earlier


def lines_in(rows: QuerySet[LogChunk]) -> int:
    """How many lines some chunks hold, counted in the database."""
    newlines = Length("text") - Length(Replace("text", Value("\n"), Value("")))
    total = rows.order_by().annotate(lines=newlines).aggregate(n=Sum(F("lines")))["n"]
    return int(total or 0)


def parts_of(text: str) -> list[tuple[str, str]]:
    """Split a line at its colour codes. Every other control or invisible character becomes visible (H22)."""
    parts: list[tuple[str, str]] = []
    classes: set[str] = set()
    place = 0
    for code in SGR.finditer(text):
        _add(parts, classes, text[place : code.start()])
        classes = _after(classes, code.group(1))
        place = code.end()
    _add(parts, classes, text[place:])
    return parts


def _add(parts: list[tuple[str, str]], classes: set[str], text: str) -> None:
    """Append text; what had to be written out as an escape gets a class of its own."""
    css = " ".join(sorted(classes))
    for hidden, group in groupby(text.removesuffix("\r"), key=lambda char: visible(char) != char):
        run = "".join(group)
        parts.append(("ctl", visible(run)) if hidden else (css, run))


def _after(classes: set[str], codes: str) -> set[str]:
    """The classes that hold after one SGR sequence."""
    current = set(classes)
    for code in (int(part) if part else 0 for part in codes.split(";")[:8]):
        if code == 0:
            current.clear()
        elif code in BASIC:
            current.add(BASIC[code])
        elif 30 <= code <= 37 or code == 39 or 90 <= code <= 97:
            current = {c for c in current if not c[2:].isdigit()}
            if code != 39:
                current.add(f"a-{code if code < 90 else code - 60}")
                current |= {"a-b"} if code >= 90 else set()
    return current
