"""Which lines of a text changed, as a reader sees them; bounded in time whatever is thrown at it."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from procedures.domain.text import visible

Kind = Literal["add", "del", "same", "hunk"]
Part = tuple[bool, str]
Opcode = tuple[str, int, int, int, int]
AROUND = 3
MOST_PAIRS = 200_000
LONGEST_SHOWN = 1_000
WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a diff; `parts` are (changed?, text), every hidden character written out (H22)."""

    kind: Kind
    old: int | None
    new: int | None
    parts: list[Part]


def lines_of(text: str) -> list[str]:
    """Lines as a shell counts them: only a line feed ends one, so that nothing else can hide a line."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def rows(old: str, new: str, *, around: int = AROUND) -> list[Row]:
    """The changed lines with some around them, and a row wherever lines were left out."""
    a, b = lines_of(old), lines_of(new)
    found = list(_rows(a, b, around))
    if old and new and old.endswith("\n") != new.endswith("\n"):
        text = (
            "the last line no longer ends in a line feed"
            if old.endswith("\n")
            else "the last line now ends in a line feed"
        )
        found.append(Row("hunk", None, None, [(False, text)]))
    return found


def _rows(a: Sequence[str], b: Sequence[str], around: int) -> Iterator[Row]:
    reached = 0
    for group in _grouped(_opcodes(a, b), around):
        if group[0][3] > reached:
            yield Row("hunk", None, None, [(False, f"from line {group[0][3] + 1}")])
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                    yield Row("same", i + 1, j + 1, [(False, shown(a[i]))])
            else:
                yield from _changed(a, b, i1, i2, j1, j2)
        reached = group[-1][4]


def _opcodes(a: Sequence[str], b: Sequence[str]) -> list[Opcode]:
    """What difflib says of the middle that differs, or one replacement where it would take too long."""
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    one, two = a[head : len(a) - tail], b[head : len(b) - tail]
    counts = Counter(two)
    found: list[Opcode] = [("equal", 0, head, 0, head)] if head else []
    if sum(counts[line] for line in one) <= MOST_PAIRS:
        matcher = difflib.SequenceMatcher(None, one, two, autojunk=False)
        found += [(tag, i + head, j + head, k + head, m + head) for tag, i, j, k, m in matcher.get_opcodes()]
    elif one or two:
        found.append(("replace", head, len(a) - tail, head, len(b) - tail))
    if tail:
        found.append(("equal", len(a) - tail, len(a), len(b) - tail, len(b)))
    return found


def _grouped(codes: list[Opcode], around: int) -> Iterator[list[Opcode]]:
    """Runs of changes with at most `around` equal lines on each side."""
    group: list[Opcode] = []
    for number, (tag, i1, i2, j1, j2) in enumerate(codes):
        if tag != "equal":
            group.append((tag, i1, i2, j1, j2))
            continue
        first, last = number == 0, number == len(codes) - 1
        before = 0 if first else min(around, i2 - i1)
        after = 0 if last else min(around, i2 - i1)
        if before + after >= i2 - i1 and not (first and last):
            group.append((tag, i1, i2, j1, j2))
            continue
        if before:
            group.append((tag, i1, i1 + before, j1, j1 + before))
        if group:
            yield group
        group = [(tag, i2 - after, i2, j2 - after, j2)] if after else []
    if any(code[0] != "equal" for code in group):
        yield group


def _changed(a: Sequence[str], b: Sequence[str], i1: int, i2: int, j1: int, j2: int) -> Iterator[Row]:
    """Removed lines, then added ones; of paired lines the words in the middle that differ are marked."""
    for i in range(i1, i2):
        twin = b[j1 + i - i1] if j1 + i - i1 < j2 else None
        yield Row("del", i + 1, None, _words(a[i], twin))
    for j in range(j1, j2):
        twin = a[i1 + j - j1] if i1 + j - j1 < i2 else None
        yield Row("add", None, j + 1, _words(b[j], twin))


def _words(line: str, other: str | None) -> list[Part]:
    """`line` in at most three parts, the middle one marked; unmarked where most of it differs."""
    if other is None or max(len(line), len(other)) > LONGEST_SHOWN:
        return [(False, shown(line))]
    one, two = WORD.findall(line), WORD.findall(other)
    head = 0
    while head < min(len(one), len(two)) and one[head] == two[head]:
        head += 1
    tail = 0
    while tail < min(len(one), len(two)) - head and one[-1 - tail] == two[-1 - tail]:
        tail += 1
    pieces = ["".join(one[:head]), "".join(one[head : len(one) - tail]), "".join(one[len(one) - tail :])]
    if len(pieces[0].strip() + pieces[2].strip()) * 3 < len(line.strip()):
        return [(False, shown(line))]
    return [(number == 1, shown(piece)) for number, piece in enumerate(pieces) if piece]


def shown(line: str) -> str:
    """A line that can be looked at: hidden characters and odd spaces written out, a very long one cut and saying so."""
    rest = len(line) - LONGEST_SHOWN
    text = visible(line[:LONGEST_SHOWN], code=True)
    return text if rest <= 0 else f"{text}… ({rest:,} characters more: download the file)"
