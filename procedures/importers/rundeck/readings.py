"""What a plugin's step may become here, and how its settings are read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from procedures.importers.rundeck.scripts import Program
from procedures.importers.rundeck.source import text
from procedures.importers.rundeck.variables import IN_COMMAND, Known, NotCarried


class Around(Protocol):
    """What a plugin's reading may know of the job."""

    known: Known
    on_targets: bool


@dataclass(slots=True)
class Text:
    """A program. `local`: on Rundeck's server, `each`: once for each node; `gives`: (group, name) it hands on.

    `ends`: no step behind it ever ran.
    """

    program: Program
    local: bool = False
    each: bool = False
    gives: tuple[str, str] | None = None
    ends: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Whole:
    """An action of ours with its input."""

    action: str
    input: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Nothing:
    why: str


Carried = Text | Whole | Nothing


def needs(config: Mapping[str, Any], key: str) -> str:
    value = text(config.get(key))
    if not value.strip():
        raise NotCarried(f"it has no {key}")
    return value


def words_of(value: str) -> str:
    """A value that may hold references, as one word of a shell text."""
    parts, index = [], 0
    for match in IN_COMMAND.finditer(value):
        parts.append(shlex.quote(value[index : match.start()]) if value[index : match.start()] else "")
        parts.append(match[0])
        index = match.end()
    return "".join([*parts, shlex.quote(value[index:]) if value[index:] else ""])
