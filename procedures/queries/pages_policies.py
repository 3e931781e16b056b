"""Policies for their page: the shipped ones, those of the house, and what is proposed of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procedures import access
from procedures.domain.errors import NotAllowed, NotFound
from procedures.models import ControlChange, Person, Policy
from procedures.policy import shipped
from procedures.policy.shipped import Shipped

SEEN_BY = ("manage_access", "operate", "audit")


@dataclass(frozen=True, slots=True)
class Row:
    """One policy by name: what it was made from, what is in force of it, and the change that waits."""

    name: str
    title: str
    description: str
    made_from: Shipped | None
    live: Policy | None
    waits: ControlChange | None = None

    @property
    def mode(self) -> str:
        return self.live.mode if self.live else "off"

    @property
    def object(self) -> dict[str, Any]:
        return dict(self.live.object) if self.live else {}

    @property
    def outdated(self) -> bool:
        """Whether the product ships another text by now; the one that was confirmed stays in force."""
        return bool(self.live and self.made_from and self.object["source"] != self.made_from.source)


def sees(person: Person, at: datetime) -> bool:
    return any(access.decide(person, verb, at=at).allowed for verb in SEEN_BY)


def policies(person: Person, at: datetime) -> list[Row]:
    """All of them, those in force first. Raises NotAllowed."""
    if not sees(person, at):
        raise NotAllowed("Policies are seen by those who manage access, operate or audit.")
    live = {row.name: row for row in Policy.objects.filter(ended_at__isnull=True)}
    waiting = ControlChange.objects.filter(control="policy", state=ControlChange.State.PROPOSED).order_by("id")
    waits = {row.object["name"]: row for row in waiting}
    ours = shipped.policies()
    rows = [_row(name, ours.get(name), live.get(name), waits.get(name)) for name in {*ours, *live, *waits}]
    return sorted(rows, key=lambda row: (row.mode == "off", row.name))


def one_policy(person: Person, name: str, at: datetime) -> Row:
    """Raises NotAllowed, NotFound."""
    found = next((row for row in policies(person, at) if row.name == name), None)
    if found is None:
        raise NotFound(f"There is no policy {name}.")
    return found


def _row(name: str, made_from: Shipped | None, live: Policy | None, waits: ControlChange | None) -> Row:
    title = made_from.title if made_from else name
    return Row(name, title, made_from.description if made_from else "Written in this house.", made_from, live, waits)
