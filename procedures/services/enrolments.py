"""Runners that come and go after installation: what their changes may not say, and what they do to the tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from procedures.domain.sealing import key_id_of
from procedures.models import Claim, ControlChange, PoolKey, PortalSetting, Runner, StepBatch
from procedures.services import telling

AUTHORITIES = "ssh-authorities"


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an enrolment may not say. A runner that is there may get other places or zones, never another key."""
    found = []
    known = Runner.objects.filter(pk=object["runner"]).first()
    if known is not None and known.ended_at is not None:
        found.append(("/object/runner", "was ended: make a new key with `opsportal runner card`"))
    elif known is not None and known.public != object["public"]:
        found.append(("/object/public", "is not the key with which this runner was enrolled"))
    elif known is not None and known.disposable:
        found.append(("/object/runner", "is the disposable pool, which serves no environment"))
    others = Runner.objects.exclude(pk=object["runner"])
    if others.filter(public=object["public"]).exists():
        found.append(("/object/public", "is the key of another runner, or was: each runner makes a key of its own"))
    if others.filter(name=object["name"], ended_at__isnull=True).exists():
        found.append(("/object/name", "is the name of another runner"))
    return found + _pool_problems(object)


def _pool_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A pool's key and its authority are set once, with the first runner of a new environment."""
    if "pool" not in object:
        return [
            (f"/object/environments/{index}", f"has no pool key yet: make the card of the first runner of {name}")
            for index, name in enumerate(object["environments"])
            if not PoolKey.objects.filter(environment=name, ended_at__isnull=True).exists()
        ]
    pool, name = object["pool"], object["environments"][0]
    if key_id_of(pool["public"]) != pool["key_id"]:
        return [("/object/pool/key_id", "is not the id of this public key")]
    live = set(PoolKey.objects.filter(environment=name, ended_at__isnull=True).values_list("key_id", flat=True))
    if live and pool["key_id"] not in live:
        return [("/object/pool/key_id", f"is not the pool key of {name}: bring pool-{name}.key from a runner of it")]
    if not live and PoolKey.objects.filter(key_id=pool["key_id"]).exists():
        return [("/object/pool/key_id", "is the pool key of another environment")]
    said = _authorities()
    if said.get(name, pool["authority"]) != pool["authority"]:
        return [("/object/pool/authority", f"is not what hosts of {name} trust: bring ssh-ca-{name} from a runner")]
    if any(other != name and key == pool["authority"] for other, key in said.items()):
        return [("/object/pool/authority", "is the authority of another environment")]
    return []


def _authorities() -> dict[str, str]:
    row = PortalSetting.objects.filter(pk=AUTHORITIES).first()
    return dict(row.value) if row else {}


def enrolled(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """Put a runner into its pool, as a confirmed change says."""
    fields = {name: object[name] for name in ("name", "public", "environments")}
    fields |= {"zones": object.get("zones", []), "attested": object.get("software", []), "event": event}
    row, made = Runner.objects.get_or_create(id=object["runner"], defaults={**fields, "enrolled_at": at})
    if not made:
        Runner.objects.filter(pk=row.pk, ended_at__isnull=True).update(**fields)
    telling.runner_enrolled(row, change.proposer, at=at)
    if pool := object.get("pool"):
        name = object["environments"][0]
        defaults = {"environment_id": name, "public": pool["public"], "since_at": at}
        PoolKey.objects.get_or_create(key_id=pool["key_id"], defaults=defaults)
        known = {**_authorities(), name: pool["authority"]}
        PortalSetting.objects.update_or_create(name=AUTHORITIES, defaults={"value": known, "since_at": at})


def end_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the end of a runner may not say. Locks what it works on, so that nothing of it is written after its end."""
    if not Runner.objects.filter(pk=object["runner"], ended_at__isnull=True, disposable=False).exists():
        return [("/object/runner", "there is no such living runner")]
    helped = StepBatch.objects.filter(runner=object["runner"], state=StepBatch.State.TAKEN).values("run")
    works_on = Claim.objects.filter(Q(runner=object["runner"]) | Q(pk__in=helped))
    list(works_on.select_for_update(of=("self",)).order_by("run_id"))
    return []


def ended(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """A runner was lost, stolen or put away: from now on it takes and writes nothing; the sweeper interrupts what it
    held, since this process may write no claim.
    """
    row = Runner.objects.get(pk=object["runner"])
    Runner.objects.filter(pk=row.pk, ended_at__isnull=True).update(ended_at=at)
    telling.runner_ended(row, change.proposer, row.claims.count(), at=at)


__all__ = ["end_problems", "ended", "enrolled", "problems"]
