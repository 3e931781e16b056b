"""Collectors: set and ended by signed changes; each takes the log in its order, at least once, from where it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F

from procedures.domain import collectors
from procedures.domain.canonical import moment
from procedures.domain.errors import OpsError
from procedures.evidence import ocsf
from procedures.evidence.models import Checkpoint, Leaf
from procedures.evidence.queries import UNREADABLE, one_fact
from procedures.models import Collector, ControlChange


@dataclass(frozen=True, slots=True)
class Batch:
    """Events as lines of JSON: those of the leaves from `first` until before `next`."""

    collector: UUID
    event: UUID  # that named it
    name: str
    url: str
    first: int
    next: int
    lines: Sequence[bytes]


class NotAsSigned(OpsError):
    """A row of a collector that says something else than its change."""

    code = "collector.not-as-signed"
    next_step = "Look at `opsportal access drift`, and name the collector again by a change."


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a change of a collector may not say."""
    live = Collector.objects.filter(name=object["name"], ended_at__isnull=True).first()
    if object["action"] == "end":
        same = live is not None and live.url == object["url"]
        return [] if same else [("/object/name", "is no live collector at this address")]
    if live is not None and live.url == object["url"] and "start" not in object:
        return [("/object/url", "is where it is already")]
    return collectors.problems(object)


def take_effect(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """A collector that moves goes on where it stands, unless the change says where to begin."""
    live = Collector.objects.select_for_update().filter(name=object["name"], ended_at__isnull=True).first()
    if live is not None:
        Collector.objects.filter(pk=live.pk).update(ended_at=at)
    if object["action"] == "end":
        return
    size = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    begins = 0 if object.get("start") == "beginning" else size
    goes_on = live is not None and "start" not in object
    Collector.objects.create(
        name=object["name"],
        url=object["url"],
        first=live.first if live and goes_on else begins,
        sent=live.sent if live and goes_on else begins,
        sent_at=live.sent_at if live and goes_on else None,
        event=event,
        since_at=at,
        next_at=at,
    )


def due(*, at: datetime) -> list[UUID]:
    """Collectors that lack something of the log and may be asked now."""
    size = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    rows = Collector.objects.filter(ended_at__isnull=True, next_at__lte=at, sent__lt=size)
    return list(rows.order_by("next_at").values_list("pk", flat=True))


def batch(collector: UUID, *, most: int = collectors.MOST_EVENTS) -> Batch | None:
    """What a collector is to get next, of what a checkpoint was signed over; None where it has all of that.

    Raises NotAsSigned.
    """
    row = Collector.objects.filter(pk=collector, ended_at__isnull=True).first()
    if row is not None and not _as_signed(row):
        raise NotAsSigned(f"The address of {row.name} is not the one that its change says.")
    size = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    if row is None or row.sent >= size:
        return None
    leaves = Leaf.objects.filter(index__gte=row.sent, index__lt=min(size, row.sent + most)).select_related("event")
    lines: list[bytes] = []
    taken = 0
    for leaf in leaves.order_by("index"):
        line = _line(leaf)
        taken += len(line)
        if leaf.index != row.sent + len(lines) or (lines and taken > collectors.MOST_BYTES):
            break
        lines.append(line)
    return Batch(row.pk, row.event, row.name, row.url, row.sent, row.sent + len(lines), lines) if lines else None


def _as_signed(row: Collector) -> bool:
    """Whether the event that named a collector names this address: a row that somebody wrote over sends nothing."""
    found = one_fact(row.event)
    if found is None or found.kind != "control.confirmed" or found.facts["control"] != collectors.CONTROL:
        return False
    said = found.facts["object"]
    return bool((said["name"], said["url"], said["action"]) == (row.name, row.url, "set"))


def _line(leaf: Leaf) -> bytes:
    """One of no form, as whoever writes rows may add, is told by its columns: it is no hole, and stops no stream."""
    row, portal = leaf.event, settings.OPSPORTAL_PUBLIC_URL
    try:
        body = json.loads(bytes(row.body)) if row.body else None
        said = ocsf.event(json.loads(bytes(row.header)), body, leaf.index, portal=portal)
    except UNREADABLE:
        said = ocsf.event({"k": row.kind, "id": str(row.pk), "at": moment(row.at)}, None, leaf.index, portal=portal)
    return json.dumps(said, sort_keys=True).encode() + b"\n"


def acknowledged(sent: Batch, *, at: datetime) -> bool:
    """Move the position on, if it is still where the batch began; False: somebody else sent it too."""
    rows = Collector.objects.filter(pk=sent.collector, sent=sent.first, ended_at__isnull=True)
    moved = rows.update(sent=sent.next, sent_at=at, failures=0, problem="", problem_at=None, next_at=at)
    return bool(moved)


def failed(collector: UUID, *, why: str, at: datetime) -> None:
    """Nothing is skipped: it waits, longer each time, and the health page tells since when."""
    row = Collector.objects.filter(pk=collector).first()
    if row is None:
        return
    Collector.objects.filter(pk=collector).update(
        failures=F("failures") + 1,
        problem=why[:300].rstrip("."),
        problem_at=row.problem_at or at,
        next_at=at + collectors.wait_after(row.failures + 1),
    )
