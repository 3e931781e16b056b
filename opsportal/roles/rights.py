"""The words in which rights are declared: for each table what each part may do, and which of its rows it sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

PARTS = ("web", "scheduler", "sequencer", "runner", "issuer", "disposable", "egress", "reader")
OF_ENVIRONMENTS = ("runner", "issuer")  # one role for each environment
POOLS = ("runner", "issuer", "disposable")  # whoever sees the rows of its own pool alone
# Where no issuer of its own process logs in for an environment, its runner is that too.
ALSO = {"runner": "issuer"}
ACTS = ("select", "insert", "update", "delete", "lock")
WORD = re.compile(r"(select|insert|update|delete|lock|all)(!?)(?:\(([a-z0-9_ ]*)\))?(?:\s+|$)")


class Within(Enum):
    """Which rows of a table belong to a pool. `scopes` says each in SQL."""

    ANY = "any"
    RUN = "run"  # a run of the pool's own
    OF_RUN = "of_run"  # what has such a run in `run_id`
    MAY_HAVE_RUN = "may_have_run"  # the same for evidence, of which much has no run
    COUNTED = "counted"  # a counter of such a run
    ENVIRONMENT = "environment"
    PLACE = "place"  # the environment itself
    SERVES = "serves"  # a runner that serves it
    TARGET = "target"
    STANDING = "standing"
    INVENTORY = "inventory"
    IDENTITY_KEYS = "identity_keys"  # the one setting that issuers write: the public keys that they show


@dataclass(frozen=True, slots=True)
class Right:
    """One act on a table. `columns`: these alone, or all but these where `but` is set; None for every column.

    `lock` is `SELECT … FOR UPDATE` without the right to change anything.
    """

    act: str
    columns: frozenset[str] | None = None
    but: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """What each part may do with one table; a part that is not named may do nothing.

    `pool` is said of runner and disposable pool alike. `reads_all`: pools see every row, and change those within alone.
    """

    name: str
    within: Within = Within.ANY
    web: str = ""
    scheduler: str = ""
    sequencer: str = ""
    pool: str = ""
    runner: str = ""
    issuer: str = ""
    disposable: str = ""
    egress: str = ""
    reader: str = ""
    reads_all: bool = False
    rights: dict[str, tuple[Right, ...]] = field(init=False)

    def __post_init__(self) -> None:
        said = {part: getattr(self, part) for part in PARTS}
        said |= {part: said[part] or self.pool for part in ("runner", "disposable")}
        object.__setattr__(self, "rights", {part: tuple(read(words)) for part, words in said.items() if words})


def read(words: str) -> Iterator[Right]:
    """The rights that a cell says, such as `select update(state ended_at)`. Raises ValueError."""
    at = 0
    while at < len(words):
        found = WORD.match(words, at)
        if found is None:
            raise ValueError(f"{words[at:]!r} says no right: use {', '.join(ACTS)}, with columns in brackets")
        act, but, columns = found[1], bool(found[2]), found[3]
        named = None if columns is None else frozenset(columns.split())
        yield from (Right(one, named, but) for one in (ACTS[:4] if act == "all" else (act,)))
        at = found.end()
