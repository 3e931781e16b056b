"""Trusted issuers and rules of workloads as control objects: what may be said, and what a confirmed change does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain import workloads
from procedures.models import ApiToken, ControlChange, Person, Procedure, TrustedIssuer, WorkloadRule
from procedures.signon import keys

Problems = list[tuple[str, str]]


def issuer_problems(object: Mapping[str, Any]) -> Problems:
    """What an issuer's object may not say beside its shape; an end names one that is trusted."""
    row = TrustedIssuer.objects.filter(pk=object["name"], ended_at__isnull=True).first()
    if object["action"] == "end":
        return [] if row else [("/object/name", "there is no such trusted issuer")]
    found = workloads.issuer_problems(object)
    for index, key in enumerate(object.get("keys", [])):
        if why := keys.problem(key):
            found.append((f"/object/keys/{index}", why))
    if len({key["kid"] for key in object.get("keys", [])}) < len(object.get("keys", [])):
        found.append(("/object/keys", "two of them have one kid"))
    same = TrustedIssuer.objects.filter(url=object["issuer"], ended_at__isnull=True).exclude(pk=object["name"])
    if other := same.first():
        found.append(("/object/issuer", f"is trusted already, as {other.name}"))
    if row is not None and row.rules.filter(ended_at__isnull=True).exists():
        why = "cannot change while rules of the issuer live: end them first"
        found += [(f"/object/{name}", why) for name in ("kind", "issuer") if row.object[name] != object[name]]
    return found


def take_issuer(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """Trust an issuer, in these words from now on, or no more, and none of its rules; what it was given for ends."""
    ends = object["action"] == "end"
    fields = {"url": object["issuer"], "object": dict(object), "ended_at": at if ends else None}
    TrustedIssuer.objects.update_or_create(
        name=object["name"], defaults=fields, create_defaults={**fields, "since_at": at}
    )
    if ends:
        WorkloadRule.objects.filter(issuer=object["name"], ended_at__isnull=True).update(ended_at=at)
    _end_tokens(at, exchange__issuer=object["name"])


def rule_problems(object: Mapping[str, Any]) -> Problems:
    """What a rule's object may not say beside its shape: it means one workload, and a service account that is open."""
    row = WorkloadRule.objects.filter(pk=object["name"], ended_at__isnull=True).first()
    if object["action"] == "end":
        return [] if row else [("/object/name", "there is no such rule")]
    found: Problems = []
    issuer = TrustedIssuer.objects.filter(pk=object["issuer"], ended_at__isnull=True).first()
    if issuer is None:
        found.append(("/object/issuer", f"there is no trusted issuer {object['issuer']!r}"))
    else:
        found += workloads.rule_problems(object, issuer.object["kind"])
    account = Person.objects.filter(subject=object["account"], kind=Person.Kind.SERVICE, is_active=True).first()
    if account is None or account.owner is None or not account.owner.is_active:
        found.append(("/object/account", "is no open service account with an owner"))
    known = set(Procedure.objects.filter(name__in=object["procedures"]).values_list("name", flat=True))
    for index, name in enumerate(object["procedures"]):
        if name not in known:
            found.append((f"/object/procedures/{index}", f"there is no procedure {name!r}"))
    return found


def take_rule(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """From now on tokens with these claims become that account, or no more; tokens of the old words end at once."""
    fields: dict[str, Any] = {
        "issuer_id": object["issuer"],
        "account": Person.objects.get(subject=object["account"]),
        "object": dict(object),
        "made_by": change.proposer,
        "confirmed_by": change.confirmer,
        "since_at": at,
        "ended_at": at if object["action"] == "end" else None,
    }
    WorkloadRule.objects.update_or_create(name=object["name"], defaults=fields)
    _end_tokens(at, exchange__rule=object["name"])


def _end_tokens(at: datetime, **which: Any) -> None:
    ApiToken.objects.filter(revoked_at__isnull=True, expires_at__gt=at, **which).update(revoked_at=at)
