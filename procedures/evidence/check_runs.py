"""fsck of what runs and runners count: events of a run, seals, run numbers, and each runner's signed sequence."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from procedures.evidence.events import SEALS
from procedures.evidence.findings import Finding
from procedures.evidence.models import Event, NumberSeries, RunCounter
from procedures.evidence.tree import Frontier, leaf_hash

CHUNK = 500


FIELDS = ("index", "leaf_hash", "event", "event__kind", "event__run", "event__n", "event__header", "event__body")


@dataclass(frozen=True, slots=True)
class Stored:
    """A leaf with its event as the database holds them; rows, not objects, so that nothing of a batch outlives it."""

    index: int
    hash: bytes
    event: UUID
    kind: str
    run: UUID | None
    n: int | None
    header: bytes
    body: bytes


def stored(index: int, hash: Any, event: UUID, kind: str, run: UUID | None, n: int | None, *data: Any) -> Stored:
    """One row of FIELDS."""
    header, body = data
    return Stored(index, bytes(hash), event, kind, run, n, bytes(header), bytes(body))


class Told:
    """Run numbers and runners' statements, in the order of the log."""

    def __init__(self, purged: AbstractSet[str]) -> None:
        self.number, self._purged, self._holes = 0, purged, 0
        self._ahead: set[int] = set()
        self._chains: dict[str, tuple[int, str, int]] = {}

    def take(self, leaf: Stored) -> Iterator[Finding]:
        if leaf.kind == "run.requested":
            yield from self._number(leaf)
        elif not leaf.body and str(leaf.run) in self._purged:
            self._holes += 1  # a runner may have said something there
        elif b'"dsse":' in leaf.body:
            yield from self._statement(leaf)

    def rest(self) -> Iterator[Finding]:
        """What is left when the log ends."""
        if self._ahead:
            first, last = self.number + 1, min(self._ahead) - 1
            yield Finding("run.number", f"Run numbers have a gap: {first} to {last} are missing.")
        drawn = NumberSeries.objects.filter(name="run").values_list("value", flat=True).first() or 0
        waiting = Event.objects.filter(kind="run.requested", leaf__isnull=True).count()
        if not self._ahead and drawn != self.number + waiting:
            yield Finding("run.number", f"The run number {drawn} was drawn, and {self.number + waiting} are recorded.")

    def _number(self, leaf: Stored) -> Iterator[Finding]:
        number = _header(leaf.header).get("no")
        if not isinstance(number, int) or number <= self.number or number in self._ahead:
            yield Finding("run.number", f"Leaf {leaf.index} has the run number {number}, which another has.")
            return
        self._ahead.add(number)
        while self.number + 1 in self._ahead:
            self.number += 1
            self._ahead.discard(self.number)

    def _statement(self, leaf: Stored) -> Iterator[Finding]:
        try:
            body = json.loads(leaf.body or b"{}")
            if "dsse" not in body:
                return
            payload = base64.b64decode(body["dsse"]["payload"], validate=True)
            said = json.loads(payload)["predicate"]
            runner, number, previous = str(said["runner"]), int(said["sequence"]), said["previous"]
        except (ValueError, KeyError, TypeError):
            yield Finding("runner.statement", f"The runner's statement of leaf {leaf.index} cannot be read.")
            return
        last, mark, holes = self._chains.get(runner, (0, "", 0))
        self._chains[runner] = (number, hashlib.sha256(payload).hexdigest(), self._holes)
        if number > last + 1 and self._holes > holes:
            return
        if number != last + 1:
            yield Finding(
                "runner.sequence", f"Runner {runner} said {number} after {last}: what lay between is missing."
            )
        elif previous != mark:
            yield Finding("runner.sequence", f"Statement {number} of runner {runner} does not follow the one before.")


def runs() -> Iterator[Finding]:
    """Each run's events are counted without a gap, and its seal commits to exactly those before it."""
    rows = Event.objects.filter(run__isnull=False).order_by("run", "n").values_list("id", "run", "n", "kind", "header")
    run: UUID | None = None
    count, sealed, frontier = 0, False, Frontier()
    for id, whose, n, kind, header in rows.iterator(CHUNK):
        if whose != run:
            yield from _counted(run, count, sealed=sealed)
            run, count, sealed, frontier = whose, 0, False, Frontier()
        if n != count + 1 or sealed:
            yield Finding("run.gap", f"Run {run} has event {n} after {'its seal' if sealed else count}.")
        count = n or 0
        if kind in SEALS:
            sealed = True
            yield from _seal(id, run, count, frontier.root().hex())
        frontier.append(leaf_hash(bytes(header)))
    yield from _counted(run, count, sealed=sealed)


def _seal(id: UUID, run: UUID | None, count: int, root: str) -> Iterator[Finding]:
    body = bytes(Event.objects.values_list("body", flat=True).get(pk=id))
    if not body:
        return  # that it is missing is told with its leaf
    try:
        said = json.loads(body)["seal"]
    except (ValueError, KeyError, TypeError):
        said = {}
    if said != {"n": count, "root": root}:
        yield Finding("seal", f"The seal of run {run} does not fit its {count} events.")


def _counted(run: UUID | None, count: int, *, sealed: bool) -> Iterator[Finding]:
    if run is None:
        return
    row = RunCounter.objects.filter(run=run).first()
    if row is None or (row.n, row.sealed) != (count, sealed):
        yield Finding("run.counter", f"The counter of run {run} does not stand at its {count} events.")


def _header(stored: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(stored)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
