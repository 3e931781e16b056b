"""Targets: what a confirmed change does to them, and whether they were in contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from procedures import access
from procedures.domain.errors import NotFound, OpsError
from procedures.domain.sshkeys import fingerprint, target_fingerprint
from procedures.models import ControlChange, Environment, Inventory, Person, PortalSetting, Target, TargetContact
from procedures.services import dispatch
from procedures.services.enrolments import AUTHORITIES
from procedures.services.unit import thing

FIELDS = ("name", "address", "port", "host_key", "trust", "tags", "attributes")
PLACE = ("address", "port", "host_key", "host_authority")
AT_ONCE = 1_000


class TargetElsewhere(OpsError):
    """A host key, address or name belongs to one environment only (rule 18)."""

    code = "target.belongs-elsewhere"
    next_step = "End the target in the other environment first; two environments never share a host."


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a target may not say, by pointer."""
    found = []
    try:
        target_fingerprint(object["host_key"])
    except (OpsError, ValueError) as problem:
        found.append(("/object/host_key", str(problem)))
    found += _authority_problems(object)
    source, setting = object.get("inventory"), object["action"] == "set"
    if source and setting and not Inventory.objects.filter(name=source, environment=object["environment"]).exists():
        found.append(("/object/inventory", f"{object['environment']} has no inventory {source!r}"))
    return found


def _authority_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """An authority of hosts is one environment's and lets nobody in; and a demand ends by words, never by silence."""
    live, given = Target.objects.filter(ended_at__isnull=True), object.get("host_authority")
    old = live.filter(environment=object["environment"], name=object["name"]).first()
    where = "/object/host_authority"
    if given is None and object["action"] == "set" and old is not None and old.host_authority:
        return [(where, 'is demanded of this target: name it again, or say "" to let the bare host key be enough')]
    if not given:
        return []
    try:
        fingerprint(given)
    except OpsError as problem:
        return [(where, problem.message)]
    users = PortalSetting.objects.filter(pk=AUTHORITIES).first()
    if users is not None and given in users.value.values():
        return [(where, "is the authority that lets runs in: hosts have one of their own")]
    other = live.filter(host_authority=given).exclude(environment=object["environment"]).first()
    return [(where, f"is the authority of hosts of {other.environment_id}")] if other is not None else []


def take_effect(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """The target is as the change says, or ends. Raises TargetElsewhere."""
    live = Target.objects.filter(ended_at__isnull=True)
    mark = target_fingerprint(object["host_key"])
    clash = (
        (
            live.filter(host_key_sha256=mark)
            | live.filter(address=object["address"], port=object["port"])
            | live.filter(name=object["name"])
        )
        .exclude(environment_id=object["environment"], name=object["name"])
        .first()
    )
    if clash is not None and object["action"] == "set":
        raise TargetElsewhere(
            f"This host is already the target {clash.name} of {clash.environment_id}.", pointer="/object/host_key"
        )
    old = live.filter(environment_id=object["environment"], name=object["name"]).first()
    if old is not None:
        Target.objects.filter(pk=old.pk).update(ended_at=at)
    if object["action"] != "set":
        return
    made = Target.objects.create(
        environment_id=object["environment"],
        host_key_sha256=mark,
        since_at=at,
        owner=object.get("owner", ""),
        inventory=object.get("inventory", ""),
        host_authority=object.get("host_authority", ""),
        **{key: object[key] for key in FIELDS},
    )
    if old is not None and all(getattr(old, name) == getattr(made, name) for name in PLACE):
        TargetContact.objects.filter(target=old).update(target=made)


def contacted(*, environment: str, results: Mapping[UUID, tuple[str, str]], at: datetime) -> None:
    """What a runner found of targets: id → (state, in words why not). A target that ended meanwhile is passed over."""
    with transaction.atomic():
        live = Target.objects.filter(pk__in=results, environment=environment, ended_at__isnull=True)
        for target in live:
            state, message = results[target.pk]
            fields: dict[str, Any] = {"state": state, "message": message[:300], "at": at}
            fields |= {"reached_at": at} if state == "reached" else {}
            TargetContact.objects.update_or_create(target=target, defaults=fields)


@thing
def ask_for_contact(*, actor: Person, environment: str, at: datetime) -> None:
    """Whoever operates an environment wants its targets contacted now. Raises NotAllowed, NotFound."""
    row = Environment.objects.filter(name=environment).first()
    if row is None:
        raise NotFound("There is no such environment.")
    access.require(actor, "operate", at=at, environment=row)
    transaction.on_commit(lambda: dispatch.nudge_contact(environment))


def due(environments: Sequence[str], *, at: datetime) -> list[Target]:
    """Live targets that nobody tried to contact for as long as OPSPORTAL_CONTACT_EVERY_S, the longest ago first."""
    before = at - timedelta(seconds=settings.OPSPORTAL_CONTACT_EVERY_S)
    rows = Target.objects.filter(environment__in=environments, ended_at__isnull=True)
    rows = rows.filter(Q(contact__isnull=True) | Q(contact__at__lte=before))
    return list(rows.order_by(F("contact__at").asc(nulls_first=True), "name")[:AT_ONCE])
