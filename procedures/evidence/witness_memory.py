"""What a witness remembers: one row per log, which only ever grows, and what proves that a log forked.

SQLite in one file, so that a check and what it leads to are one step for every thread and every process, and what was
answered outlives a lost power.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from procedures.domain.errors import OpsError

FILE = "seen.db"
PATIENCE_S = 10.0
MOST_FORKS = 100  # of one log: whoever holds its key could fill a disk else
TABLES = """
CREATE TABLE IF NOT EXISTS seen (
  origin TEXT PRIMARY KEY, size INTEGER NOT NULL CHECK (size >= 0), root BLOB NOT NULL CHECK (length(root) = 32),
  note TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fork (
  origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (origin, size, root)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS seen_grows BEFORE UPDATE ON seen
  WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR NEW.at < OLD.at
    OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
  BEGIN SELECT RAISE(ABORT, 'a witness never goes back'); END;
CREATE TRIGGER IF NOT EXISTS seen_stays BEFORE DELETE ON seen
  BEGIN SELECT RAISE(ABORT, 'a witness never goes back'); END;
"""


class MemoryLost(OpsError):
    """A witness without what it saw would cosign a second history of a log."""

    code = "witness.memory-lost"
    next_step = (
        "Bring the file back if it is whole. Otherwise this witness has ended: make another with a new key "
        "(`opsportal witness init`) and tell whoever trusts the old one."
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """The checkpoint that was cosigned last: `note` with its cosignature, `at` as POSIX seconds."""

    origin: str
    size: int
    root: bytes
    note: str
    at: int


class Memory:
    """The file in `folder`. Raises MemoryLost where there is none; `make` begins it, once, beside a new key."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        if not self.path.exists():
            raise MemoryLost(f"{self.path} is not there.")

    @classmethod
    def make(cls, folder: Path) -> None:
        """Begin an empty memory; nothing happens where there is one."""
        path = folder / FILE
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        with closing(_open(path)) as link:
            link.executescript(TABLES)

    @contextmanager
    def step(self) -> Iterator[Step]:
        """One check with all that it leads to, alone among threads and processes: kept whole, or not at all."""
        with closing(_open(self.path)) as link:
            link.execute("BEGIN IMMEDIATE")
            try:
                yield Step(link)
            except BaseException:
                link.execute("ROLLBACK")
                raise
            link.execute("COMMIT")

    def all(self) -> list[Seen]:
        """Every log, as it was seen last."""
        with closing(_open(self.path)) as link:
            rows = link.execute("SELECT origin, size, root, note, at FROM seen ORDER BY origin").fetchall()
        return [Seen(*row) for row in rows]

    def forks(self) -> list[Seen]:
        """Checkpoints that a log signed beside another one of the same size."""
        with closing(_open(self.path)) as link:
            rows = link.execute("SELECT origin, size, root, note, at FROM fork ORDER BY origin, size, at").fetchall()
        return [Seen(*row) for row in rows]


class Step:
    """A transaction of the memory."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link

    def seen(self, origin: str) -> Seen | None:
        row = self._link.execute("SELECT origin, size, root, note, at FROM seen WHERE origin = ?", [origin]).fetchone()
        return Seen(*row) if row else None

    def keep(self, seen: Seen) -> None:
        """Remember what is about to be cosigned; the file itself refuses a step back."""
        self._link.execute(
            "INSERT INTO seen (origin, size, root, note, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE "
            "SET size = excluded.size, root = excluded.root, note = excluded.note, at = excluded.at",
            [seen.origin, seen.size, seen.root, seen.note, seen.at],
        )

    def keep_fork(self, fork: Seen) -> None:
        """Keep a checkpoint that contradicts the one that was seen: both are signed by the log itself."""
        (count,) = self._link.execute("SELECT count(*) FROM fork WHERE origin = ?", [fork.origin]).fetchone()
        if count < MOST_FORKS:
            self._link.execute(
                "INSERT OR IGNORE INTO fork (origin, size, root, note, at) VALUES (?, ?, ?, ?, ?)",
                [fork.origin, fork.size, fork.root, fork.note, fork.at],
            )


def _open(path: Path) -> sqlite3.Connection:
    link = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE_S, isolation_level=None)
    link.execute("PRAGMA synchronous=EXTRA")  # the folder too reaches the disk before a cosignature leaves
    return link
