"""Changes of the log's key: notes that two keys signed (record 0053), the chain that they make, and whose a size is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.second.container import Refused, need
from tests.second.log import LINE, exact, key_of, signed

NOTE = re.compile("((.+)\nopsportal key turned v1\n(0|[1-9][0-9]{0,17})\n(.+)\n(.+)\n)\n(.+)\n(.+)\n")


@dataclass(frozen=True, order=True)
class Turn:
    """From the leaf `size` on, which is its event, `coming` signs the log, which `former` had signed."""

    size: int
    former: str
    coming: str


def turn_of(note: str) -> Turn:
    """What a note says, if both of its keys signed it: the former one first. Raises Refused."""
    found = NOTE.fullmatch(note)
    need(found, "no change of a key")
    assert found is not None
    text, origin, size, former, coming, *lines = found.groups()
    need(former != coming, "a change to the same key")
    for key, line in zip((former, coming), lines, strict=True):
        name, mark, kind, public = key_of(key)
        row = LINE.fullmatch(line)
        need(row and (row[1], name, kind) == (origin, origin, 1), "another log's key")
        assert row is not None
        data = exact(row[2])
        need(data[:4] == mark and signed(public, data[4:], text.encode()), "not signed by both keys")
    return Turn(int(size), former, coming)


def read(text: str) -> list[Turn]:
    """The changes of a file `turns`; one that is none, or contradicts another, spoils it. Raises Refused."""
    try:
        notes = json.loads(text)
    except ValueError as problem:
        raise Refused("no changes") from problem
    need(isinstance(notes, list) and all(isinstance(note, str) for note in notes), "no changes")
    chains: dict[str, list[Turn]] = {}
    for turn in dict.fromkeys(map(turn_of, notes)):
        chain = chains.setdefault(key_of(turn.former)[0], [])
        had = {key for one in chain for key in (one.former, one.coming)}
        goes_on = not chain or (chain[-1].coming == turn.former and chain[-1].size < turn.size)
        need(goes_on and turn.coming not in had, "changes that contradict each other")
        chain.append(turn)
    return [turn for chain in chains.values() for turn in chain]


@dataclass
class Chain:
    """The changes that lead to a key and on from it, in the order of their sizes; all others are none of this log."""

    key: str
    rows: list[Turn] = field(default_factory=list)

    def joined(self, told: Iterable[Turn]) -> Chain:
        """This one, with all that can be joined to either of its ends.

        Of changes of one key the first that was told counts, and none to a key that was in a change of before.
        """
        rows: list[Turn] = []
        for row in told:
            had = {key for one in rows if one.size < row.size for key in (one.former, one.coming)}
            if row.coming not in had and row.former not in {one.former for one in rows}:
                rows.append(row)
        while any(self._joins(row) for row in rows):
            pass
        return self

    def _joins(self, row: Turn) -> bool:
        keys = [self.rows[0].former if self.rows else self.key, *(one.coming for one in self.rows)]
        if row.former == keys[-1] and row.coming not in keys and all(one.size < row.size for one in self.rows):
            self.rows.append(row)
        elif row.coming == keys[0] and row.former not in keys and all(row.size < one.size for one in self.rows):
            self.rows.insert(0, row)
        else:
            return False
        return True

    def at(self, size: int) -> str:
        """The key that signs a tree of that size."""
        found = self.rows[0].former if self.rows else self.key
        for row in self.rows:
            found = row.coming if size > row.size else found
        return found


def signer_of(note: bytes, keys: Iterable[str]) -> str:
    """Which of these keys signed a checkpoint; empty where none did."""
    text, _, tail = note.decode("utf-8", "replace").rpartition("\n\n")
    row = LINE.fullmatch(tail.partition("\n")[0])
    for key in keys:
        name, mark, _, public = key_of(key)
        data = exact(row[2]) if row else b""
        if row and (row[1], data[:4]) == (name, mark) and signed(public, data[4:], f"{text}\n".encode()):
            return key
    return ""
