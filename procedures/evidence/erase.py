"""Erasing values that events commit to but do not contain: the commitment stays, so that the hole stays visible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from procedures.evidence import cooling
from procedures.evidence.models import Disclosure, ErasableKey, Event
from procedures.evidence.record import key_of


def standing_paths(event: UUID) -> set[str]:
    """JSON pointers of an event's values that were not erased yet."""
    rows = Disclosure.objects.filter(event=event, sealed__isnull=False)
    return {row.pointer for row in rows if key_of(row.subject) is not None}


def erase_values(event: UUID, paths: Sequence[str], *, at: datetime) -> None:
    """Forget these values of one event."""
    Disclosure.objects.filter(event=event, pointer__in=paths).update(sealed=None, erased_at=at)


def erase_run(run: UUID, *, at: datetime) -> None:
    """Forget the bodies of a run's events and what they keep apart; headers and leaves stay.

    The use of break-glass is no event of a run: its register counts on.
    """
    of_run = Event.objects.filter(run=run)
    Disclosure.objects.filter(event__in=of_run, sealed__isnull=False).update(sealed=None, erased_at=at)
    of_run.update(body=b"")
    cooling.forget(run)  # after it, so that no bundle which somebody writes meanwhile is left


def erase_comments(run: UUID, *, procedure: UUID, at: datetime) -> None:
    """Forget what was said at a run."""
    rows = Event.objects.filter(procedure=procedure, kind="run.commented")
    about = [pk for pk, body in rows.values_list("pk", "body").iterator() if str(run).encode() in bytes(body)]
    Disclosure.objects.filter(event__in=about, sealed__isnull=False).update(sealed=None, erased_at=at)


def key_stands(subject: UUID) -> bool:
    """Whether a person's values and pseudonym can still be told: nobody destroyed their key."""
    return not ErasableKey.objects.filter(subject=subject, destroyed_at__isnull=False).exists()


def erase_person(subject: UUID, *, at: datetime) -> None:
    """Destroy a person's key: every value and pseudonym made with it is noise, in copies and backups of rows too."""
    key_of(subject)
    ErasableKey.objects.filter(subject=subject).update(secret=b"", destroyed_at=at)
    Disclosure.objects.filter(subject=subject).update(sealed=None, erased_at=at)
