"""What waits, seen with whom it waits for besides: those one stands in for, and those who asked one to decide."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from procedures.domain.decide_by import review_by
from procedures.models import AccessRequest, ControlChange, DecisionAsked, Person, Run, Version
from procedures.queries import deputies, pages_shell
from procedures.queries.access_requests import decidable
from procedures.queries.agents import asker

What = DecisionAsked.What
Waits = Run | Version | ControlChange | AccessRequest
KINDS: Mapping[type, What] = {
    Run: What.RUN,
    Version: What.VERSION,
    ControlChange: What.CHANGE,
    AccessRequest: What.ACCESS_REQUEST,
}
INBOX: Mapping[What, tuple[str, Callable[[Person, datetime], Collection[Waits]]]] = {
    What.RUN: ("approve", pages_shell.approvable),
    What.VERSION: ("review", pages_shell.reviewable),
    What.CHANGE: ("manage_access", pages_shell.confirmable),
    What.ACCESS_REQUEST: ("manage_access", decidable),
}


def mark_of(row: Waits) -> str:
    """What tells one asking of a run, or of its gate, from the next; empty for what is asked once."""
    return f"{row.plan_digest}/{row.waiting_gate}"[:200] if isinstance(row, Run) else ""


def asked(row: Waits) -> list[DecisionAsked]:
    """Who was asked to decide this, by whom and why, oldest first."""
    rows = DecisionAsked.objects.filter(what=KINDS[type(row)], about=row.pk, mark=mark_of(row))
    return list(rows.select_related("person", "by").order_by("id"))


@dataclass(slots=True)
class Beside:
    """Why a row of the inbox concerns somebody besides their own right."""

    stands_for: list[Person] = field(default_factory=list)
    asked: list[DecisionAsked] = field(default_factory=list)


def beside(person: Person, rows: Iterable[Waits], at: datetime) -> Mapping[UUID, Beside]:
    """For each row of a person's inbox that has any: for whom one stands in there, and who asked one to decide it."""
    waiting = {row.pk: row for row in rows}
    found: dict[UUID, Beside] = {}
    known = DecisionAsked.objects.filter(person=person, about__in=list(waiting)).select_related("by").order_by("id")
    for one in known:
        if one.mark == mark_of(waiting[one.about]):
            found.setdefault(one.about, Beside()).asked.append(one)
    for what in {KINDS[type(row)] for row in waiting.values()}:
        verb, inbox = INBOX[what]
        for away in deputies.stood_in_for(person, verb, at):
            for row in inbox(away, at):
                if row.pk in waiting:
                    found.setdefault(row.pk, Beside()).stands_for.append(away)
    return found


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing of a person's inbox, as any door tells it. `until`: decide by, where there is a date."""

    what: str
    row: Waits
    title: str
    asker: str
    until: datetime | None
    path: str
    beside: Beside


def inbox(person: Person, at: datetime) -> list[Waiting]:
    """Everything that waits for this person's decision, soonest date first."""
    rows = [row for _, mine in INBOX.values() for row in mine(person, at)]
    known = beside(person, rows, at)
    found = [told(row, known.get(row.pk, Beside())) for row in rows]
    return sorted(found, key=lambda one: (one.until is None, one.until or at, one.row.pk))


def told(row: Waits, beside_: Beside | None = None) -> Waiting:
    """What a decision is about, in words that hold nothing somebody typed as a reason."""
    extra = beside_ or Beside()
    if isinstance(row, Run):
        title, until = f"Run {row.no} of {row.procedure.name} in {row.environment_id}", pages_shell.decide_by(row)
        who, path = row.requester, f"/approvals/{row.pk}/"
    elif isinstance(row, Version):
        title, until = f"Version {row.number} of {row.procedure.name}", review_by(row.submitted_at)
        who, path = row.submitter, f"/reviews/{row.pk}/"
    elif isinstance(row, ControlChange):
        title, until = f"Change of access: {row.control.replace('_', ' ')}", None
        who, path = row.proposer, f"/changes/{row.pk}/"
    else:
        title = f"Access to {row.procedure.name if row.procedure else 'what ends soon'}"
        until, who, path = row.lapses_at, row.asker, f"/access/requests/{row.pk}/"
    return Waiting(KINDS[type(row)].value, row, title, asker(who), until, path, extra)
