"""What a run needs to itself while it is under way: places in concurrency groups, and the locks of its targets (H19).

A need has a name and says how many runs may hold that name at once, whoever holds it counted. A run holds what it needs
from its claim until it ends. While it is parked (at a gate, paused, or queued again) it keeps its holds for four hours;
after that others may have them, and the run takes them anew when it goes on. All are taken in one act or none, so two
runs never wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

from procedures.domain.definition import Definition

MANY = 32_000  # of those that only share
PARKED = timedelta(hours=4)
LONGEST = 500
TARGET = "target:"
Lock = Literal["exclusive", "shared", "none"]
LOCKS: tuple[Lock, ...] = ("exclusive", "shared", "none")


def lock_of(definition: Definition, per_target: Callable[[str], bool]) -> Lock:
    """How a procedure locks its targets: as its author says, else exclusively if it acts on them.

    A diagnostic locks nothing unless it says so: it is wanted most while something else is at work on a target, and
    must not keep the cure waiting either. `per_target` tells whether an action acts on targets.
    """
    if definition.targets is None:
        return "none"
    if definition.targets.lock:
        return definition.targets.lock
    steps = (*definition.steps, *definition.rollback, *definition.always)
    acts = any(per_target(step.action) for step in steps)
    return "exclusive" if acts and definition.type != "diagnostic" else "none"


def of_targets(lock: Lock, targets: Iterable[UUID]) -> list[tuple[str, int]]:
    """Needs for the locks of these targets."""
    return [] if lock == "none" else [(f"{TARGET}{one}", 1 if lock == "exclusive" else MANY) for one in targets]


def group_of(definition: Definition, environment: str, rendered: str) -> str:
    """The full name of a procedure's own group; a group that is shared belongs to no one procedure."""
    shared = definition.concurrency.shared if definition.concurrency else ""
    return f"{environment}/{'' if shared else definition.name}/{f'{shared}/' if shared else ''}{rendered}"[:LONGEST]


def narrowest(needs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Each name once, in one order, with the smallest number that any part of the run asks for."""
    found: dict[str, int] = {}
    for name, most in sorted(needs):
        found[name] = min(most, found.get(name, most))
    return found


def full(mine: int, others: Sequence[int]) -> bool:
    """Whether one more would be too many, for itself or for any of those that hold the name."""
    return len(others) + 1 > min([mine, *others])
