"""Directories as people see them: how many people and groups each brought, and the tokens that speak for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from procedures.domain.directories import ACCOUNT
from procedures.domain.errors import NotAllowed
from procedures.domain.providers import is_directory
from procedures.models import ApiToken, DirectoryEntry, DirectoryGroup, IdentityProvider, Person
from procedures.queries.same_person import may_look


@dataclass(frozen=True, slots=True)
class Seen:
    """One provider that pushes people; `tokens` live, the one that ends last first."""

    provider: IdentityProvider
    people: int
    groups: int
    tokens: list[ApiToken]


def directories(actor: Person, at: datetime) -> list[Seen]:
    """For access managers and auditors. Raises NotAllowed."""
    if not may_look(actor, at):
        raise NotAllowed("Only access managers and auditors see the directories that push people.")
    live = IdentityProvider.objects.filter(ended_at__isnull=True).order_by("name")
    return [_seen(row, at) for row in live if is_directory(row.object)]


def _seen(row: IdentityProvider, at: datetime) -> Seen:
    tokens = ApiToken.objects.filter(
        person__username=f"{ACCOUNT}{row.name}", revoked_at__isnull=True, expires_at__gt=at
    )
    return Seen(
        provider=row,
        people=DirectoryEntry.objects.filter(provider=row, left_at__isnull=True).count(),
        groups=DirectoryGroup.objects.filter(provider=row).count(),
        tokens=list(tokens.select_related("person", "made_by").order_by("-expires_at")),
    )
