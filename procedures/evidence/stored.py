"""The log of this portal's database, read a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.db.models import QuerySet

from procedures.evidence import verify
from procedures.evidence.models import Disclosure, Leaf
from procedures.evidence.record import disclosed


class _Page:
    """Some events in the order of the log; their disclosures are looked up together, once somebody asks."""

    def __init__(self, events: Sequence[UUID]) -> None:
        self.events = events

    @cached_property
    def disclosures(self) -> Mapping[UUID, Sequence[Disclosure]]:
        found: dict[UUID, list[Disclosure]] = {}
        for row in Disclosure.objects.filter(event__in=self.events).order_by("event_id", "pointer"):
            found.setdefault(row.event_id, []).append(row)
        return found


@dataclass(frozen=True, slots=True)
class _Stored:
    event: UUID
    header: bytes
    body: bytes
    page: _Page

    def disclosures(self) -> list[bytes]:
        found = [disclosed(row) for row in self.page.disclosures.get(self.event, ())]
        return [data for data in found if data is not None]


@dataclass(frozen=True, slots=True)
class Log:
    """The first `size` leaves."""

    size: int

    def headers(self) -> Iterator[bytes]:
        for start in self._starts():
            rows = self._leaves(start).values_list("event__header", flat=True)
            yield from (bytes(header) for header in rows)

    def events(self) -> Iterator[_Stored]:
        for start in self._starts():
            # Plain values: a leaf and its event as objects point at each other, and lie about until they are collected.
            rows = list(self._leaves(start).values_list("event_id", "event__header", "event__body"))
            page = _Page([row[0] for row in rows])
            yield from (_Stored(event, bytes(header), bytes(body), page) for event, header, body in rows)

    def _starts(self) -> range:
        return range(0, self.size, verify.BUNDLE)

    def _leaves(self, start: int) -> QuerySet[Leaf]:
        end = min(start + verify.BUNDLE, self.size)
        return Leaf.objects.filter(index__gte=start, index__lt=end).order_by("index")
