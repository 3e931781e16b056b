"""One difference between the live tables and the signed events, and what two views of one thing differ in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Drift:
    """`what` names the thing, `says` the difference: in the table alone, in the evidence alone, or a field of both."""

    kind: str
    what: str
    says: str


def both(kind: str, table: Mapping[str, Any], log: Mapping[str, Any]) -> Iterator[Drift]:
    """What stands in one alone, and what both say otherwise, by name."""
    for name in sorted(set(table) | set(log)):
        if name not in log:
            yield Drift(kind, name, "stands in the table and not in the evidence")
        elif name not in table:
            yield Drift(kind, name, "stands in the evidence and not in the table")
        elif table[name] != log[name]:
            yield Drift(kind, name, f"the table says {table[name]!r}, the evidence {log[name]!r}")
