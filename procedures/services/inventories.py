"""Inventories: set up by a signed change, synced by runners; what differs waits for people, unless it may be taken.

A sync changes no target of production and no environment of any target; what a source no longer names is marked, and
never ended (H12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from procedures import access
from procedures.domain.canonical import canon, digest
from procedures.domain.controls import touches_production
from procedures.domain.errors import NotAllowed, NotFound
from procedures.domain.ids import uuid7
from procedures.domain.inventories import Difference, differences
from procedures.domain.inventory_sources import Found, Read
from procedures.evidence.record import record
from procedures.models import ControlChange, Inventory, InventorySync, Person, Target
from procedures.queries import stops
from procedures.services import controls, dispatch, plans
from procedures.services.control_weight import production_names
from procedures.services.target_changes import too_many
from procedures.services.unit import thing

PATIENCE = timedelta(seconds=60)
KEPT_DIFFERENCES = 1_000


def send_due(*, at: datetime) -> int:
    """Nudge for inventories that are asked for or due, again if that was lost; stops at the first broker failure."""
    halted = stops.live()
    if any(stop.environment_id is None and stop.procedure_id is None for stop in halted):
        return 0
    rows = Inventory.objects.filter(ended_at__isnull=True)
    rows = rows.exclude(environment__in=[stop.environment_id for stop in halted if stop.environment_id])
    rows = rows.filter(Q(nudged_at__isnull=True) | Q(nudged_at__lte=at - PATIENCE) | Q(nudged_at__lt=F("asked_at")))
    sent = 0
    for row in rows:
        if not _is_due(row, at):
            continue
        if not dispatch.nudge_inventory(row.name, row.environment_id):
            break
        Inventory.objects.filter(pk=row.pk).update(nudged_at=at)
        sent += 1
    return sent


def _is_due(row: Inventory, at: datetime) -> bool:
    if row.synced_at is None or (row.asked_at is not None and row.asked_at > row.synced_at):
        return True
    return row.synced_at + timedelta(seconds=row.every_s) <= at


@thing
def ask_for_a_sync(*, actor: Person, inventory: str, at: datetime) -> Inventory:
    """Whoever operates its environment wants an inventory synced now. Raises NotAllowed, NotFound."""
    row = Inventory.objects.select_related("environment").filter(name=inventory, ended_at__isnull=True).first()
    access.require(actor, "operate", at=at, environment=row.environment if row else None)
    if row is None:
        raise NotFound("There is no such inventory.")
    Inventory.objects.filter(pk=row.pk).update(asked_at=at)
    row.asked_at = at
    return row


def synced(*, name: str, read: Read, at: datetime) -> InventorySync | None:
    """What a runner read from a source: kept, compared, and outside production taken where that was signed for.

    None for an inventory that has ended meanwhile.
    """
    with transaction.atomic():
        row = Inventory.objects.select_for_update().filter(name=name, ended_at__isnull=True).first()
        if row is None:
            return None
        found = compared(row, read.hosts)
        taken = _take(row, found, at)
        if taken:
            found = compared(row, read.hosts)
        _mark_missing(row, found, at)
        Inventory.objects.filter(pk=name).update(synced_at=at, problem="")
        return _kept(row, read, found, len(taken), at)


def hosts_of(sync: InventorySync) -> list[Found]:
    """The hosts that a sync found."""
    return [Found(**host) for host in sync.hosts]


def compared(row: Inventory, hosts: Sequence[Found]) -> list[Difference]:
    """How these hosts differ from the targets as they stand now."""
    live = list(Target.objects.filter(ended_at__isnull=True))
    here = {target.name: target.inventory for target in live if target.environment_id == row.environment_id}
    about = {"name": row.name, "environment": row.environment_id, "trust": row.trust}
    return differences(about, hosts, [plans.as_port(target) for target in live], here)


def note_failure(*, name: str, problem: str, at: datetime) -> None:
    """A sync that came to nothing is told on the inventory's page; nothing else changes. A new problem is evidence."""
    with transaction.atomic():
        row = Inventory.objects.select_for_update().filter(name=name, ended_at__isnull=True).first()
        if row is None:
            return
        Inventory.objects.filter(pk=name).update(synced_at=at, problem=problem[:1000])
        if row.problem != problem[:1000]:
            facts = {"inventory": name, "environment": row.environment_id, "problem": problem[:1000]}
            record("inventory.failed", actor=stand_in(row, at).subject, at=at, facts=facts)


def _take(row: Inventory, found: Sequence[Difference], at: datetime) -> list[str]:
    """Names of what was taken: outside production, by the signature under the inventory, and never a new host key.

    Of what stands already no more than one hand may change within the hour; the rest waits for people (H12).
    """
    if not row.takes or row.environment.production:
        return []
    taken: list[str] = []
    enough = False
    for one in found:
        enough = enough or (one.kind == "changed" and one.safe and bool(too_many(one.object or {}, at)))
        if one.object is not None and one.safe and not (enough and one.kind == "changed"):
            _put_in_force(stand_in(row, at), one.object, at)
            taken.append(one.name)
    return taken


def _put_in_force(proposer: Person, object: Mapping[str, Any], at: datetime) -> None:
    """A change of a target, unsigned: outside production alone. Raises NotAllowed in production, InvalidInput."""
    controls.require_sound("target", object)
    if touches_production("target", object, production_names()):
        raise NotAllowed("In production people confirm each change.")
    statement = controls.statement_for(actor=proposer, control="target", object=object)
    change = ControlChange.objects.create(
        control="target",
        object=dict(object),
        proposer=proposer,
        statement=canon(statement),
        proposed_at=at,
        production=False,
    )
    controls.put_in_force(change, proposer, set(), at)


def _mark_missing(row: Inventory, found: Sequence[Difference], at: datetime) -> None:
    gone = [one.name for one in found if one.kind == "gone"]
    mine = Target.objects.filter(environment=row.environment_id, inventory=row.name, ended_at__isnull=True)
    mine.filter(name__in=gone, missing_since_at__isnull=True).update(missing_since_at=at)
    mine.exclude(name__in=gone).filter(missing_since_at__isnull=False).update(missing_since_at=None)


def _kept(row: Inventory, read: Read, found: Sequence[Difference], taken: int, at: datetime) -> InventorySync:
    """One row, and one event, for each sync that found something else than the one before."""
    hosts = [host.facts() for host in read.hosts]
    told = [as_plain(one) for one in found[:KEPT_DIFFERENCES]]
    mark = digest({"hosts": hosts, "notes": list(read.notes), "differences": told})
    last = InventorySync.objects.filter(inventory=row).order_by("-id").first()
    if last is not None and last.digest == mark and not taken:
        InventorySync.objects.filter(pk=last.pk).update(seen_at=at)
        return last
    kept = InventorySync.objects.create(
        inventory=row,
        at=at,
        seen_at=at,
        digest=mark,
        hosts=hosts,
        notes=list(read.notes),
        differences=told,
        taken=taken,
    )
    counts = {kind: sum(one.kind == kind for one in found) for kind in sorted({one.kind for one in found})}
    facts = {
        "inventory": row.name,
        "environment": row.environment_id,
        "hosts": len(hosts),
        "differences": counts,
        "taken": taken,
        "digest": mark,
    }
    record("inventory.synced", actor=stand_in(row, at).subject, at=at, facts=facts)
    return kept


def as_plain(one: Difference) -> dict[str, Any]:
    """A difference as it is stored and told: `fields` are [name, before, after]."""
    return {"kind": one.kind, "name": one.name, "why": one.why, "fields": [list(field) for field in one.fields]}


def stand_in(row: Inventory, at: datetime) -> Person:
    """The system's own account that acts for an inventory: what it took carries that name."""
    person, _ = Person.objects.get_or_create(
        username=f"system:inventory-{row.name}",
        defaults={
            "name": f"Inventory {row.name}"[:200],
            "kind": Person.Kind.SYSTEM,
            "subject": uuid7(),
            "password": "!",
            "created_at": at,
        },
    )
    return person
