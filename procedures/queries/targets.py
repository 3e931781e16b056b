"""Targets and inventories as pages and API show them, to whoever operates, manages or audits their environment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from procedures import access
from procedures.domain import filters
from procedures.domain.errors import NotFound
from procedures.domain.states import TaskState
from procedures.models import (
    ControlChange,
    Environment,
    HostCertificate,
    Inventory,
    InventorySync,
    Person,
    Target,
    Task,
)

SEEING = ("operate", "manage_access", "audit")
MOST = 5_000


def sees(actor: Person, environment: Environment, at: datetime) -> bool:
    """Whether hosts, inventories and credentials of an environment are shown to this person."""
    return any(access.decide(actor, verb, at=at, environment=environment).allowed for verb in SEEING)


def seen_environments(actor: Person, at: datetime, name: str = "") -> list[Environment]:
    rows = Environment.objects.filter(name=name) if name else Environment.objects.all()
    return [row for row in rows if sees(actor, row, at)]


def listed(actor: Person, at: datetime, *, environment: str = "", chosen: str = "") -> list[Target]:
    """Live targets that this person sees, those that a filter matches, by name. Raises FilterRefused."""
    return matching(live(seen_environments(actor, at, environment)), chosen)


def live(environments: Sequence[Environment]) -> QuerySet[Target]:
    rows = Target.objects.filter(environment__in=environments, ended_at__isnull=True)
    return rows.select_related("contact", "environment").order_by("name")


def matching(rows: QuerySet[Target], chosen: str) -> list[Target]:
    """Those of the rows that a filter without parameters matches; all without one. Raises FilterRefused."""
    if not chosen.strip():
        return list(rows[:MOST])
    bound = filters.parse(chosen).bind({})
    return [row for row in rows[:MOST] if bound.matches(row)]


def one_target(actor: Person, name: str, at: datetime, *, environment: str = "") -> Target:
    """Raises NotFound also for one that this person does not see."""
    row = Target.objects.select_related("contact", "environment").filter(name=name, ended_at__isnull=True).first()
    elsewhere = row is not None and environment not in {"", row.environment_id}
    if row is None or elsewhere or not sees(actor, row.environment, at):
        raise NotFound("There is no such target.")
    return row


def certificate_of(target: Target) -> dict[str, Any] | None:
    """The newest certificate that the issuer signed for a target's confirmed key; None where there is none."""
    mark = target.host_key_sha256
    rows = HostCertificate.objects.filter(environment=target.environment_id, target=target.name, host_key_sha256=mark)
    found = rows.values("certificate", "authority", "serial", "made_at", "expires_at").first()
    return {**found} if found else None


def changes_of(target: Target) -> list[ControlChange]:
    """The changes that made a target what it is, newest first, with who stands behind each."""
    rows = ControlChange.objects.filter(control="target", object__name=target.name, state="confirmed")
    return list(rows.select_related("proposer", "confirmer").order_by("-decided_at")[:50])


def proved_at(target: Target) -> datetime | None:
    """When a step last got through on a target at the level of trust that it has now, since it has it."""
    rows = Task.objects.filter(run__environment=target.environment_id, target=target.name, state=TaskState.SUCCEEDED)
    rows = rows.filter(facts__level=target.trust, started_at__gte=target.since_at)
    return rows.order_by("-ended_at").values_list("ended_at", flat=True).first()


def contact_of(target: Target) -> dict[str, Any] | None:
    """`{"state", "at", "reached_at", "message"}`, or None where nobody has tried."""
    found = getattr(target, "contact", None)
    if found is None:
        return None
    return {"state": found.state, "at": found.at, "reached_at": found.reached_at, "message": found.message}


def inventories(actor: Person, at: datetime, *, environment: str = "") -> list[Inventory]:
    rows = Inventory.objects.filter(ended_at__isnull=True, environment__in=seen_environments(actor, at, environment))
    return list(rows.select_related("environment", "set_by"))


def one_inventory(actor: Person, name: str, at: datetime) -> Inventory:
    """Raises NotFound also for one that this person does not see."""
    row = Inventory.objects.select_related("environment", "set_by").filter(name=name, ended_at__isnull=True).first()
    if row is None or not sees(actor, row.environment, at):
        raise NotFound("There is no such inventory.")
    return row


def syncs_of(row: Inventory) -> list[InventorySync]:
    """What its syncs found, each time it was something else, newest first."""
    return list(row.syncs.order_by("-id")[:50])
