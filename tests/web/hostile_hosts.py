"""What a source of hosts writes, and what a target of it carries (H29)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from procedures import models
from procedures.domain.clock import now
from procedures.models import Environment, Person
from tests.web.hostile import ALL, PAYLOADS


def inventory(place: Environment, person: Person, keys: list[str]) -> models.Inventory:
    """One whose newest sync says everything: of new hosts, a changed one, one that is gone and one it cannot have."""
    at = now()
    row = models.Inventory.objects.create(
        name="evil-hosts",
        environment=place,
        kind="yaml",
        settings={"file": ALL},
        every_s=300,
        set_by=person,
        event=uuid4(),
        since_at=at,
        synced_at=at,
        problem=ALL,
    )
    told = dict.fromkeys(keys, ALL)
    plain = {"address": ALL, "port": 22, "owner": ALL, "tags": told, "attributes": told}
    hosts = [{"name": text, "host_key": f"ssh-ed25519 {number}", **plain} for number, text in enumerate(PAYLOADS)]
    hosts += [{"name": f"{ALL} incomplete", "host_key": "", **plain, "address": "b"}]
    for number, target in enumerate(models.Target.objects.filter(environment=place)[:3]):
        models.Target.objects.filter(pk=target.pk).update(inventory=row.name, owner=ALL[:200], missing_since_at=at)
        models.TargetContact.objects.create(target=target, state="unreachable", message=ALL[:300], at=at)
        hosts += [{"name": target.name, "host_key": target.host_key, **plain, "address": "c"}] if number else []
    models.InventorySync.objects.create(
        inventory=row,
        at=at,
        seen_at=at,
        digest="sha256:x",
        hosts=hosts,
        notes=list(PAYLOADS),
        differences=[{"kind": "new", "name": ALL, "why": ALL, "fields": []}],
        taken=1,
    )
    matched()
    return row


def runner(place: Environment, text: str, number: int) -> None:
    """One that reports everything, with what people signed of it."""
    said = {"actions": {ALL: text}, "broker": text, "software": text, "issuer": {"apart": True, "away": [text]}}
    names = {"name": text, "environments": [place.name], "zones": [text], "attested": [ALL], "software": text[:100]}
    times = {"enrolled_at": now(), "heartbeat_at": now()}
    models.Runner.objects.create(public=str(number), reported=said, **names, **times)


CARD = {"kind": "runner", "id": str(uuid4()), "name": ALL, "public": ALL, "environment": ALL}
FORMS: list[tuple[str, str, dict[str, Any]]] = [
    ("/changes/source/new/", "jonas", {"url": ALL, "branch": ALL, "group": ALL}),
    ("/changes/runner/new/", "jonas", {"card": ALL, "zones": ALL, "software": ALL}),
    ("/changes/runner/new/", "jonas", {"card": json.dumps(CARD), "zones": ALL}),
    ("/changes/runner/new/", "jonas", {"card": json.dumps({**CARD, "name": ALL[:200], "public": "A" * 43 + "="})}),
    ("/changes/runner_end/new/", "jonas", {"runner": ALL, "reason": ALL}),
]


def matched() -> None:
    """A target of development that says everything, and a procedure whose filter finds it."""
    fields = {"address": ALL[:200], "host_key": "x", "host_key_sha256": "m", "since_at": now()}
    models.Target.objects.create(environment_id="development", name=ALL[:200], tags={"role": ALL}, **fields)
    for version in models.Version.objects.filter(procedure__name="evil"):
        chosen = f'not name="{PAYLOADS[0].replace(chr(34), "")}"'
        said = {**version.definition, "targets": {"filter": chosen, "narrow": True, "strategy": {}}}
        models.Version.objects.filter(pk=version.pk).update(definition=said)


def environments(places: Sequence[Environment]) -> list[tuple[str, str]]:
    """Every part of the first one's page, as the auditor sees it, a filter that does not parse, and the others."""
    first = f"/environments/{places[0].pk}/"
    parts = [(f"{first}?tab={tab}", "aisha") for tab in ("targets", "inventories", "bindings", "rules")]
    filtered = (f"{first}?{urlencode({'filter': PAYLOADS[0]})}", "aisha")
    return [*parts, filtered, *((f"/environments/{row.pk}/", "aisha") for row in places[1:])]


def targets(place: Environment) -> list[tuple[str, str]]:
    rows = models.Target.objects.filter(environment=place).values_list("name", flat=True)
    return [(f"/environments/{place.pk}/target/?{urlencode({'name': name})}", "aisha") for name in rows]
