"""Identity providers as control objects: what may be said, and what a confirmed change does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from procedures.domain import providers
from procedures.domain.directories import ACCOUNT
from procedures.domain.errors import NotFound
from procedures.domain.ids import uuid7
from procedures.models import ControlChange, IdentityProvider, Person


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a provider's object may not say beside its shape; an end names a provider that lives."""
    if object["action"] == "end":
        lives = IdentityProvider.objects.filter(pk=object["name"], ended_at__isnull=True).exists()
        return [] if lives else [("/object/name", "there is no such live identity provider")]
    return providers.problems(object)


def apply(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """Let a provider in, change it, or end it; who was in a group by its word alone is out with it."""
    from procedures.services import directory_groups, group_sync

    ended = at if object["action"] == "end" else None
    fields = {"object": dict(object), "ended_at": ended}
    row, _ = IdentityProvider.objects.update_or_create(
        name=object["name"], defaults=fields, create_defaults={**fields, "since_at": at}
    )
    group_sync.shrink(row, stand_in(row, at), at=at)
    directory_groups.follow(row, at=at)


def live() -> Any:
    """Providers by which people may sign in now."""
    return IdentityProvider.objects.filter(ended_at__isnull=True).order_by("name")


def one(name: str) -> IdentityProvider:
    """Raises NotFound: an ended provider answers like one that never was."""
    row: IdentityProvider | None = live().filter(pk=name).first()
    if row is None:
        raise NotFound("There is no such identity provider.")
    return row


def secret_of(name: str) -> str:
    """The client secret (or the password of the searching account) that lies in a file of the provider's own name.

    The signed object names no path: whoever writes objects cannot have this process read another file.
    """
    try:
        return (Path(settings.OPSPORTAL_IDENTITY_SECRETS_DIR) / name).read_text().strip()
    except OSError:
        return ""


def stand_in_name(provider: IdentityProvider) -> str:
    return f"system:idp-{provider.name}"


def stand_in(provider: IdentityProvider, at: datetime) -> Person:
    """The system's own account that acts for a provider: its memberships and refusals carry that name."""
    return _acting(stand_in_name(provider), f"Identity provider {provider.title}", at)


def directory(provider: IdentityProvider, at: datetime) -> Person:
    """The account that acts for the same provider where it pushes people over SCIM.

    It is another one: what a sign-in does not say any more takes away what sign-ins gave, and nothing of this.
    """
    return _acting(f"{ACCOUNT}{provider.name}", f"Directory {provider.title}", at)


def of_directory(account: Person) -> IdentityProvider | None:
    """The provider for which this account pushes, while signed changes let it."""
    if account.kind != Person.Kind.SYSTEM or not account.username.startswith(ACCOUNT):
        return None
    row: IdentityProvider | None = live().filter(pk=account.username.removeprefix(ACCOUNT)).first()
    return row if row is not None and providers.is_directory(row.object) else None


def _acting(username: str, name: str, at: datetime) -> Person:
    person, _ = Person.objects.get_or_create(
        username=username,
        defaults={
            "name": name[:200],
            "kind": Person.Kind.SYSTEM,
            "subject": uuid7(),
            "password": "!",
            "created_at": at,
        },
    )
    return person
