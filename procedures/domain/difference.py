"""One thing that a version may do against the one before it: before, after, and whether that is wider or narrower."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from procedures.domain.definition import Definition
from procedures.domain.text import visible

Effect = Literal["wider", "changed", "narrower", "same"]
EFFECTS: tuple[Effect, ...] = ("wider", "changed", "narrower", "same")
LONGEST = 2_000
Note = tuple[Effect, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """`why` says the effect in words. `calls` is the digest of a called version whose own change matters."""

    area: str
    name: str
    before: str
    after: str
    effect: Effect
    why: str = ""
    calls: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """What one environment made of a credential at the moment that a side speaks of."""

    environment: str
    name: str
    provider: str
    role: str
    max_ttl_s: int
    reach: Mapping[str, Any]
    ceiling: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """A definition and the facts around it: for an accepted version as they were when it was accepted.

    `files` maps path → SHA-256, `texts` the readable ones to their text, `targets` are mappings with `name`,
    `environment` and `tags`, `calls` maps a called procedure to its pinned digest.
    """

    definition: Definition
    risk: str
    files: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    targets: Sequence[Mapping[str, Any]] = ()
    bindings: Sequence[Bound] = ()
    calls: Mapping[str, str] = field(default_factory=dict)


def told(area: str, name: str, before: str, after: str, notes: Iterable[Note], *, calls: str = "") -> Difference:
    """A row from its notes: wider if anything is, and every control or invisible character written out (H22)."""
    notes = list(notes)
    why = "; ".join(dict.fromkeys(text for _, text in notes if text))
    shown = (_short(visible(text)) for text in (name, before, after))
    name, before, after = shown
    return Difference(area, name, before, after, overall(effect for effect, _ in notes), _short(visible(why)), calls)


def overall(effects: Iterable[Effect]) -> Effect:
    """The effect that a reviewer must not miss: one wider thing makes the whole wider."""
    return min(effects, key=EFFECTS.index, default="same")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST:,} characters more)"


def words(value: Any) -> str:
    """A value in one line, as its author would have written it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str | int) for item in value):
        return " ".join(map(str, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {words(item)}" for key, item in value.items())
    return json.dumps(value, ensure_ascii=False, default=str)


def listed(names: Iterable[str], most: int = 12) -> str:
    rows = list(names)
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return ", ".join(rows[:most]) + more


def by_amount(before: float | None, after: float | None, more: str, less: str) -> list[Note]:
    """Notes for an amount of which more is wider; None is without limit."""
    if before == after:
        return []
    if before is None or (after is not None and after < before):
        return [("narrower", less)]
    return [("wider", more)]


def by_set(before: Iterable[str], after: Iterable[str], more: str, less: str) -> list[Note]:
    """Notes for a set of which more is wider; `more` and `less` come before what was added and removed."""
    before, after = list(before), list(after)
    added = [item for item in after if item not in before]
    removed = [item for item in before if item not in after]
    found: list[Note] = [("wider", f"{more} {listed(added)}")] if added else []
    return found + ([("narrower", f"{less} {listed(removed)}")] if removed else [])


def seconds(amount: int | None) -> str:
    """`90 s`, `10 min`, `2 h`, `7 d`; whole units only."""
    if amount is None:
        return "no limit"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if amount and amount % size == 0:
            return f"{amount // size} {unit}"
    return f"{amount} s"
