"""Moves bodies of old runs into cold storage, and takes them from there when they are purged."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import BinaryField, ExpressionWrapper, F

from procedures.domain.ids import uuid7
from procedures.evidence.cold import is_place, place
from procedures.evidence.models import ColdBundle, Event

MOST_BYTES = 256 * 1024  # of a bundle, unless one body alone is larger
STORED = ExpressionWrapper(F("body"), output_field=BinaryField())  # the column as it lies, a place where it is one


def cool(run: UUID) -> int:
    """Move the bodies of a run that are not in cold storage yet, a bundle in each transaction. Returns how many."""
    moved = 0
    while found := _next(run):
        with transaction.atomic():
            _move(run, found)
        moved += len(found)
    return moved


def _next(run: UUID) -> Sequence[tuple[UUID, bytes]]:
    """(event, body) of one bundle more, in the order of the run."""
    rows = Event.objects.filter(run=run).order_by("n").values_list("pk", STORED)
    found: list[tuple[UUID, bytes]] = []
    size = 0
    for pk, stored in rows.iterator(100):
        if not stored or is_place(stored):
            continue
        size += len(stored)
        if found and size > MOST_BYTES:
            break
        found.append((pk, bytes(stored)))
    return found


def _move(run: UUID, bodies: Sequence[tuple[UUID, bytes]]) -> None:
    bundle = ColdBundle.objects.create(pk=uuid7(), run=run, data=b"".join(body for _, body in bodies))
    start, moved = 0, []
    for pk, body in bodies:
        moved.append(Event(pk=pk, body=place(bundle.pk, start, len(body))))
        start += len(body)
    Event.objects.bulk_update(moved, ["body"], batch_size=100)


def forget(run: UUID) -> None:
    """Delete a run's bundles, once its events name none of them: their bodies were purged."""
    ColdBundle.objects.filter(run=run).delete()
