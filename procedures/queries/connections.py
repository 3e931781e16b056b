"""Connections as people see them: which programs act as an agent, and what an agent may run before one is let in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from procedures.access.agents import refusal
from procedures.domain.clients import receiver
from procedures.models import Connection, Person
from procedures.queries.offered import Offer, offered_to


@dataclass(frozen=True, slots=True)
class Choice:
    """An own agent that a program may act as; `offers` is what it may run now, `why_not` why it may nothing."""

    agent: Person
    offers: list[Offer]
    why_not: str


def choices(owner: Person, at: datetime) -> list[Choice]:
    """The open agents that this person owns."""
    rows = Person.objects.filter(owner=owner, kind=Person.Kind.AGENT, is_active=True).select_related("owner")
    return [Choice(row, offered_to(row, at), refusal(row, "run")) for row in rows.order_by("name")[:50]]


@dataclass(frozen=True, slots=True)
class Connected:
    """A program that acts as an agent; `to` is where its keys went."""

    row: Connection
    to: str


def connected(agent: Person, at: datetime) -> list[Connected]:
    """Connections that are not over, the one that ends first first."""
    rows = agent.connections.filter(token__revoked_at__isnull=True, token__isnull=False, until_at__gt=at)
    return [
        Connected(row, receiver(row.redirect)) for row in rows.select_related("client", "token").order_by("until_at")
    ]
