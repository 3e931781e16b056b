"""Erasing values that events commit to but do not contain: the commitment stays, so that the hole stays visible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from procedures.evidence.models import Disclosure, ErasableKey
from procedures.evidence.record import key_of


def standing_paths(event: UUID) -> set[str]:
    """JSON pointers of an event's values that were not erased yet."""
    rows = Disclosure.objects.filter(event=event, sealed__isnull=False)
    return {row.pointer for row in rows if key_of(row.subject) is not None}


def erase_values(event: UUID, paths: Sequence[str], *, at: datetime) -> None:
    """Forget these values of one event."""
    Disclosure.objects.filter(event=event, pointer__in=paths).update(sealed=None, erased_at=at)


def key_stands(subject: UUID) -> bool:
    """Whether a person's values and pseudonym can still be told: nobody destroyed their key."""
    return not ErasableKey.objects.filter(subject=subject, destroyed_at__isnull=False).exists()


def erase_person(subject: UUID, *, at: datetime) -> None:
    """Destroy a person's key: every value and pseudonym made with it is noise, in copies and backups of rows too."""
    key_of(subject)
    ErasableKey.objects.filter(subject=subject).update(secret=b"", destroyed_at=at)
    Disclosure.objects.filter(subject=subject).update(sealed=None, erased_at=at)
