"""Targets and inventories over REST: what there is, what differs, and asking for a sync or for contact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures import access
from procedures.api import inputs
from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, NotFound
from procedures.domain.inventories import Difference
from procedures.models import Environment, Inventory, Procedure, Target
from procedures.queries import targets as queries
from procedures.queries.matching import matches
from procedures.services import inventories, logins, targets

MOST_SHOWN = 200


def shape(row: Target) -> dict[str, Any]:
    return {
        "name": row.name,
        "environment": row.environment_id,
        "trust": row.trust,
        "tags": row.tags,
        "attributes": row.attributes,
        "owner": row.owner,
        "address": row.address,
        "port": row.port,
        "host_key": row.host_key_sha256,
        "host_authority": row.host_authority_sha256,
        "inventory": row.inventory,
        "missing_since_at": row.missing_since_at,
        "contact": queries.contact_of(row),
    }


class Targets(Door):
    """GET ?environment=&filter=: live targets that the caller sees; `filter` in the language of procedures."""

    def get(self, request: Request) -> Response:
        where, chosen = request.query_params.get("environment", ""), request.query_params.get("filter", "")
        rows = queries.listed(self.actor, now(), environment=where, chosen=chosen)
        return Response({"results": [shape(row) for row in rows], "next": None, "previous": None})


class OneTarget(Door):
    """A target with the changes that made it what it is."""

    def get(self, request: Request, name: str) -> Response:
        row = queries.one_target(self.actor, name, now())
        changes = [
            {
                "change": str(one.pk),
                "at": one.decided_at,
                "proposer": one.proposer.username,
                "confirmer": one.confirmer.username if one.confirmer else None,
                "object": one.object,
            }
            for one in queries.changes_of(row)
        ]
        more: dict[str, Any] = {
            "public_host_key": row.host_key,
            "public_host_authority": row.host_authority,
            "changes": changes,
        }
        more |= {"proved_at": queries.proved_at(row)}
        return Response({**shape(row), **more, "host_certificate": queries.certificate_of(row)})


class Logins(Door):
    """POST {log}: the target's own sshd log, held against what was lent; who came in with something else is told."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, name: str) -> Response:
        log = inputs.checked(inputs.LOGINS, request.data)["log"]
        found = logins.reconcile(actor=self.actor, target=name, log=log, at=now())
        unknown = [
            {"line": one.line, "account": one.account, "address": one.address, "when": one.when, "why": why}
            for one, why in found.unknown[:MOST_SHOWN]
        ]
        counts = {name: getattr(found, name) for name in ("logins", "known", "not_ours", "unsure", "fresh")}
        return Response({**counts, "unknown": len(found.unknown), "results": unknown})


class Matching(Door):
    """POST {environment, parameters}: which targets a procedure's filter matches now, with these values.

    `outside` counts matches that no grant of the caller covers; they are not named.
    """

    by_token: ClassVar[Mapping[str, str]] = {"post": "run"}

    def post(self, request: Request, name: str) -> Response:
        data = inputs.checked(inputs.MATCHING, request.data)
        at = now()
        row = Procedure.objects.filter(name=name).first()
        environment = Environment.objects.filter(name=data["environment"]).first()
        if row is None or environment is None:
            raise NotAllowed.for_want_of(
                f"No grant lets {self.actor.username} run {name} in {data['environment']}.",
                verb="run",
                procedure=name,
                environment=data["environment"],
            )
        access.require(self.actor, "run", at=at, procedure=row, environment=environment)
        version = row.versions.filter(state="accepted", expires_at__gt=at).first()
        found = matches(self.actor, version, environment, data.get("parameters", {}), at) if version else None
        if found is None:
            raise NotFound(f"{name} acts on no targets.")
        told = [{"name": one.target.name, "tags": one.target.tags, "contact": one.contact} for one in found.found]
        more = {"outside": found.outside, "waits": found.waits, "narrow": found.narrow}
        return Response({"filter": found.filter, "count": len(told), "targets": told, **more})


class Contact(Door):
    """POST: have the targets of an environment contacted now; the answer comes with the targets themselves."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, name: str) -> Response:
        targets.ask_for_contact(actor=self.actor, environment=name, at=now())
        return Response({"environment": name}, status=202)


def inventory_shape(row: Inventory) -> dict[str, Any]:
    return {
        "name": row.name,
        "environment": row.environment_id,
        "kind": row.kind,
        "settings": row.settings,
        "trust": row.trust,
        "every_s": row.every_s,
        "takes": row.takes,
        "set_by": row.set_by.username,
        "synced_at": row.synced_at,
        "problem": row.problem,
    }


def difference(one: Difference) -> dict[str, Any]:
    return {**inventories.as_plain(one), "object": one.object}


class Inventories(Door):
    def get(self, request: Request) -> Response:
        rows = queries.inventories(self.actor, now(), environment=request.query_params.get("environment", ""))
        return Response({"results": [inventory_shape(row) for row in rows], "next": None, "previous": None})


class OneInventory(Door):
    """An inventory with how its newest sync differs from the targets as they stand now.

    `object` of a difference is the change of a target that would make them agree: to be signed and proposed.
    """

    def get(self, request: Request, name: str) -> Response:
        row = queries.one_inventory(self.actor, name, now())
        syncs = queries.syncs_of(row)
        found = inventories.compared(row, inventories.hosts_of(syncs[0])) if syncs else []
        told = [
            {"at": one.at, "seen_at": one.seen_at, "hosts": len(one.hosts), "taken": one.taken, "digest": one.digest}
            for one in syncs
        ]
        more = {"differences": [difference(one) for one in found], "syncs": told}
        return Response({**inventory_shape(row), "notes": syncs[0].notes if syncs else [], **more})


class Sync(Door):
    """POST: have an inventory synced now."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, name: str) -> Response:
        row = inventories.ask_for_a_sync(actor=self.actor, inventory=name, at=now())
        return Response({"name": row.name, "asked_at": row.asked_at}, status=202)
