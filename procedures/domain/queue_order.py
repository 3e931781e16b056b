"""Which run goes next: by priority, which grows with waiting, then fairly between teams, then by age. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

PRIORITIES = ("low", "normal", "high")
NORMAL = PRIORITIES.index("normal")
GLASS = len(PRIORITIES)  # whoever broke the glass goes before everybody
GROWS_AFTER = timedelta(minutes=10)


def word(priority: int) -> str:
    """A stored priority as people say it."""
    return "break-glass" if priority >= GLASS else PRIORITIES[priority]


@dataclass(frozen=True, slots=True)
class Head:
    """The longest waiting of a team's runs of one priority that nothing holds up."""

    team: str
    priority: int
    since: datetime


def urgency(head: Head, at: datetime) -> int:
    """Its priority, one more for every ten minutes in the queue, up to high; so nothing waits for ever."""
    if head.priority >= GLASS:
        return GLASS
    return min(GLASS - 1, head.priority + max(0, (at - head.since) // GROWS_AFTER))


def order(heads: Iterable[Head], running: Mapping[str, int], shares: Mapping[str, int], at: datetime) -> list[Head]:
    """The heads in the order in which they should go, the next one first.

    Among the equally urgent the team goes first that has the least running for its share, then who waits longest.
    """

    def rank(head: Head) -> tuple[int, float, datetime, str, int]:
        load = running.get(head.team, 0) / shares.get(head.team, 1)
        return -urgency(head, at), load, head.since, head.team, -head.priority

    return sorted(heads, key=rank)
