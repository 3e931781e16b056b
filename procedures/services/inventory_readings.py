"""What runners read from inventories, on its way to the scheduler: a runner changes no target and proposes nothing."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError

from procedures.domain.errors import OpsError
from procedures.domain.inventory_sources import Found, Read, SourceFailed, sound
from procedures.models import InventoryReading
from procedures.services import inventories

AT_ONCE = 20


def bring(*, inventory: str, read: Read, at: datetime) -> None:
    """A runner read a source to the end."""
    hosts = [host.facts() for host in read.hosts]
    InventoryReading.objects.create(inventory_id=inventory, at=at, hosts=hosts, notes=list(read.notes))


def bring_failure(*, inventory: str, problem: str, at: datetime) -> None:
    """A runner could not read a source, and says why."""
    InventoryReading.objects.create(inventory_id=inventory, at=at, problem=problem)


def take_readings(*, at: datetime) -> int:
    """Compare what runners brought with the targets, oldest first; what cannot be taken is told. Returns how many."""
    rows = list(InventoryReading.objects.order_by("id")[:AT_ONCE])
    for row in rows:
        _take(row, at)
        InventoryReading.objects.filter(pk=row.pk).delete()
    return len(rows)


def _whole(row: InventoryReading) -> Read:
    """A reading looked at again: whoever has a runner's login writes anything into the row. Raises SourceFailed."""
    try:
        return sound([Found(**host) for host in row.hosts], [str(note)[:300] for note in row.notes])
    except (TypeError, ValueError, AttributeError) as problem:
        raise SourceFailed("What the runner brought is no inventory.") from problem


def _take(row: InventoryReading, at: datetime) -> None:
    name = row.inventory_id
    if row.problem:
        inventories.note_failure(name=name, problem=row.problem, at=at)
        return
    try:
        inventories.synced(name=name, read=_whole(row), at=at)
    except OpsError as problem:
        inventories.note_failure(name=name, problem=problem.message, at=at)
    except IntegrityError:
        inventories.note_failure(name=name, problem="Two changes met; the next sync tries again.", at=at)
