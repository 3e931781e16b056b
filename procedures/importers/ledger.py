"""The account of one source: every key of it gets exactly one fate, and a key that nobody named is reported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from procedures.domain.importing import Fate, Key

Part = str | int
Path = tuple[Part, ...]
_PLAIN = re.compile(r"^[^.\[\]\s\"]+$")
_WEIGHT = {"mapped": 0, "ignored": 1, "reported": 2}
UNKNOWN = "This importer does not know the key; nothing of it was carried over."


def path_text(path: Path) -> str:
    """`("steps", 1, "a.b")` → `steps[1]["a.b"]`."""
    found = ""
    for part in path:
        if isinstance(part, int):
            found += f"[{part}]"
        elif _PLAIN.match(part):
            found += f".{part}" if found else part
        else:
            found += f'["{part}"]'
    return found


class Ledger:
    """Fates by path. What is said of a key holds for all below it, unless something is said there as well."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.said: dict[Path, tuple[Fate, str]] = {}
        self.above: set[Path] = set()

    def mapped(self, *path: Part, into: str) -> None:
        self._say(path, "mapped", into)

    def ignored(self, *path: Part, why: str) -> None:
        self._say(path, "ignored", why)

    def reported(self, *path: Part, why: str) -> None:
        self._say(path, "reported", why)

    def _say(self, path: Path, fate: Fate, said: str) -> None:
        """Of two fates of one key the graver stands."""
        old = self.said.get(path)
        if old is not None and _WEIGHT[old[0]] >= _WEIGHT[fate]:
            if old[0] == fate == "reported" and said not in old[1]:
                self.said[path] = (fate, f"{old[1]} {said}")
            return
        self.said[path] = (fate, said)
        self.above |= {path[:length] for length in range(len(path))}

    def keys(self) -> list[Key]:
        """One fate for every key, in the order of the source."""
        return [Key(path_text(path), *said) for path, said in self._walk((), self.source, None)]

    def _walk(self, path: Path, value: Any, inherited: tuple[Fate, str] | None) -> Iterator[tuple[Path, Any]]:
        own = self.said.get(path) or inherited
        below = list(_children(value))
        if path in self.above and below:
            for part, item in below:
                yield from self._walk((*path, part), item, own)
        elif path:
            yield path, own or ("reported", UNKNOWN)
        else:
            for part, item in below:
                yield from self._walk((part,), item, own)


def _children(value: Any) -> Iterator[tuple[Part, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
