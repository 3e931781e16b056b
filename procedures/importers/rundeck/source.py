"""One job of a Rundeck file as its YAML would say it, and the account of what became of each of its keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.importing import Fate, ImportRefused, Key
from procedures.importers.ledger import path_text

Path = tuple[str | int, ...]
MAX_DEPTH = 60
MAX_KEYS = 20_000
STRUCTURE = "the file's structure; what it holds is told by itself"
UNKNOWN = "no counterpart is known here; look at what it did"


@dataclass(frozen=True, slots=True)
class Row:
    """One key of the file. `place` is what a person reads; `path` leads into the job, or is None for mere structure."""

    place: str
    path: Path | None


@dataclass(slots=True)
class Source:
    """A job and every key of the file that belongs to it, in the order of the file."""

    job: dict[str, Any]
    rows: list[Row] = field(default_factory=list)


class Ledger:
    """What is said about each key. A key that nobody spoke of shares the fate of the nearest one above it."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.known = {row.path[:end] for row in rows if row.path for end in range(1, len(row.path) + 1)}
        self.said: dict[Path, tuple[Fate, str]] = {}

    def mapped(self, path: Path, said: str) -> None:
        self.say(path, "mapped", said)

    def ignored(self, path: Path, said: str) -> None:
        self.say(path, "ignored", said)

    def reported(self, path: Path, said: str) -> None:
        self.say(path, "reported", said)

    def say(self, path: Path, fate: Fate, said: str) -> None:
        """Later words about the same key are added; what a person must look at outweighs the rest."""
        if path not in self.known:
            return
        old = self.said.get(path)
        if old is None:
            self.said[path] = (fate, said)
        elif said not in old[1]:
            first, second = (old[1], said) if fate != "reported" or old[0] == "reported" else (said, old[1])
            self.said[path] = ("reported" if "reported" in {fate, old[0]} else old[0], f"{first}; {second}")

    def keys(self) -> list[Key]:
        """One fate for every key of the file: its own, or that of the one key above it that is told as a whole."""
        names = {row.path: row.place for row in self.rows if row.path is not None}
        split = {above for row in self.rows if self._own(row, names) for above in above_of(row.place)}
        found: list[Key] = []
        told: set[str] = set()
        left: list[tuple[str, str]] = []
        for row in self.rows:
            if told & set(above_of(row.place)):
                continue
            fate, said = self._fate(row, names)
            if row.place in split:
                left += [(row.place, said)] if fate == "reported" and row.path in self.said else []
                continue
            words = [words for place, words in left if place in above_of(row.place)]
            left = [one for one in left if one[1] not in words]
            told.add(row.place)
            found.append(Key(row.place, "reported" if words else fate, "; ".join([*words, said])))
        return found

    def _own(self, row: Row, names: Mapping[Path, str]) -> bool:
        """Whether something was said of this very key, or of the list's item whose key it is."""
        path = row.path or ()
        return path in self.said or (path[:-1] in self.said and path[:-1] not in names)

    def _fate(self, row: Row, names: Mapping[Path, str]) -> tuple[Fate, str]:
        if row.path is None:
            return "mapped", STRUCTURE
        for end in range(len(row.path), 0, -1):
            if row.path[:end] in self.said:
                fate, said = self.said[row.path[:end]]
                if end < len(row.path) and fate == "reported":
                    return "ignored", f"told with {names.get(row.path[:end], 'the step')} as a whole"
                return fate, said
        return ("mapped", STRUCTURE) if row.path in self.known and row.path not in names else ("reported", UNKNOWN)


def above_of(place: str) -> list[str]:
    """The places that a place lies in."""
    return [place[:end] for end in range(1, len(place)) if place[end] in ".["]


def written(name: str) -> str:
    """A key as every importer's account writes it below another."""
    text = path_text((name,))
    return text if text.startswith("[") else f".{text}"


def keys_below(value: Any, place: str, path: Path = ()) -> Iterator[Row]:
    """A row for each key of a value. Raises ImportRefused where it is nested too deep."""
    if len(path) > MAX_DEPTH:
        raise ImportRefused(f"The file is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, Mapping):
        for key, item in value.items():
            name = str(key)
            yield Row(f"{place}{written(name)}", (*path, name))
            yield from keys_below(item, f"{place}{written(name)}", (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from keys_below(item, f"{place}[{number}]", (*path, number))


def truth(value: Any) -> bool:
    """What Rundeck takes for true: `true` as a boolean or as text."""
    return value is True or str(value).strip().lower() == "true"


def text(value: Any) -> str:
    """A scalar as Rundeck would write it into a text; empty for what is none."""
    if value is None or isinstance(value, Mapping | list):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def plain(value: Any) -> Any:
    """The value with every scalar as text, so that both forms of a job give the same bytes."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in sorted((str(key), item) for key, item in value.items())}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return text(value)
