"""What an importer gives back: procedure folders, and the fate of every key of the file that was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from procedures.domain.errors import OpsError

Fate = Literal["mapped", "ignored", "reported"]
MARKED = "todo:replace"


class ImportRefused(OpsError):
    """A file that cannot be read as what it was said to be. `line` counts from 1."""

    code = "import.refused"
    next_step = "Mend the file at the line that is named, or import the others without it."

    def __init__(self, message: str, *, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the source. `at` is its path ("job[0].sequence.commands[1].exec"); `said` is why, or into what.

    *mapped*: carried over; *ignored*: without meaning here, for the reason given; *reported*: a person must act.
    """

    at: str
    fate: Fate
    said: str


@dataclass(slots=True)
class Imported:
    """One procedure: `files` by path, `procedure.yaml` among them. `marked` are ids of steps that block publication.

    `beside` are folders that it wants, by their place in the bundle: where each lies, seen from the source file.
    """

    name: str
    files: dict[str, bytes]
    marked: list[str] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Carried:
    """All that came out of one source file. `keys` accounts for every key of it."""

    procedures: list[Imported] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
