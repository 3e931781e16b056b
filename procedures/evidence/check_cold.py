"""fsck of cold storage: what lies there without an event that names it should have gone with it, or never have come."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db import connection

from procedures.evidence.cold import bundle_of
from procedures.evidence.cooling import STORED
from procedures.evidence.findings import Finding
from procedures.evidence.models import ColdBundle, Event
from procedures.evidence.triggers_cold import TABLE

CHUNK = 200


def bundles() -> Iterator[Finding]:
    """Each bundle is named by an event of its run. That the named bytes are those of the log, is told with the leaf."""
    if TABLE not in connection.introspection.table_names():  # a database of older software, just restored
        return
    last: UUID | None = None
    while rows := list(_page(last)):
        runs = {run for _, run in rows}
        stored = Event.objects.filter(run__in=runs).values_list(STORED, flat=True)
        named = {bundle_of(bytes(place)) for place in stored.iterator(CHUNK)}
        for pk, run in rows:
            if pk not in named:
                yield Finding("cold.left", f"Bodies of run {run} lie in cold storage, in a bundle that no event names.")
        last = rows[-1][0]


def _page(after: UUID | None) -> Iterator[tuple[UUID, UUID]]:
    found = ColdBundle.objects.order_by("id")
    rows = found if after is None else found.filter(pk__gt=after)
    yield from rows.values_list("id", "run")[:CHUNK]
