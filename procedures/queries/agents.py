"""Agents as people see them: whose they are, what they spent, what they hold, whether they are stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q

from procedures import access
from procedures.access.agents import all_stopped
from procedures.domain.software import MAY
from procedures.models import Agent, ApiToken, Grant, Person, Run
from procedures.queries.connections import Connected, connected


@dataclass(frozen=True, slots=True)
class Seen:
    """One agent; `asked` runs within the last hour, `tokens` made by hand, `connections` and `grants` that live."""

    agent: Agent
    asked: int
    tokens: list[ApiToken]
    connections: list[Connected]
    grants: list[Grant]
    may_stop: bool
    may_start: bool
    mine: bool

    @property
    def person(self) -> Person:
        return self.agent.person


def agents_seen(actor: Person, at: datetime) -> list[Seen]:
    """All for access managers, operators and auditors; else those that this person owns, or oneself."""
    manages = access.decide(actor, "manage_access", at=at).allowed
    stops = manages or access.decide(actor, "operate", at=at).allowed
    rows = Agent.objects.select_related("person__owner").order_by("person__username")
    if not stops and not access.decide(actor, "audit", at=at).allowed:
        rows = rows.filter(Q(person__owner=actor) | Q(person=actor))
    recent = Q(person__runs_requested__requested_at__gt=at - timedelta(hours=1))
    found = []
    for row in rows.annotate(asked=Count("person__runs_requested", filter=recent, distinct=True))[:500]:
        mine = row.person.owner_id == actor.pk
        tokens = row.person.tokens.filter(revoked_at__isnull=True, expires_at__gt=at, connection__isnull=True)
        grants = row.person.grants.filter(revoked_at__isnull=True, expires_at__gt=at).select_related("procedure")
        found.append(
            Seen(
                agent=row,
                asked=int(row.asked),
                tokens=list(tokens.order_by("expires_at")),
                connections=connected(row.person, at),
                grants=list(grants.order_by("expires_at")),
                may_stop=stops or mine,
                may_start=manages and not mine,
                mine=mine,
            )
        )
    return found


def asked_by(run: Run) -> dict[str, Any] | None:
    """`{"software", "person"}` behind a run that software asked for, or None: whose words its reason is."""
    if run.requester.kind != Person.Kind.AGENT:
        return None
    return {"software": run.requester, "person": run.requester.owner}


def asker(person: Person) -> str:
    """Who asks, in words: a person's name; of software also for whom it asks."""
    if person.kind in {Person.Kind.PERSON, Person.Kind.SYSTEM} or person.owner is None:
        return str(person)
    return f"software {person} for {person.owner}"


__all__ = ["MAY", "Seen", "agents_seen", "all_stopped", "asked_by", "asker"]
