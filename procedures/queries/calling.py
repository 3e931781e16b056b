"""Which versions a run calls, at any depth, as its closure pins them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from procedures.domain.calls import MAX_DEPTH
from procedures.models import Run, Version


def versions_of(run: Run) -> list[UUID]:
    """Ids of the versions that the run's version calls, and of those that these call."""
    return versions_below(run.version)


def versions_below(version: Version) -> list[UUID]:
    found: list[UUID] = []
    wanted = _pins(version)
    for _ in range(MAX_DEPTH):
        if not wanted:
            break
        named = Q(pk__in=[])
        for name, digest in wanted:
            named |= Q(procedure__name=name, digest=digest)
        rows = list(Version.objects.filter(named))
        found += [row.pk for row in rows]
        wanted = [pin for row in rows for pin in _pins(row)]
    return found


def _pins(version: Version) -> list[tuple[str, str]]:
    return [(str(name), str(digest)) for name, digest in version.closure.get("calls", [])]
