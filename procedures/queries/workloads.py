"""Trusted issuers, rules and exchanges as people see them, and which workload stands behind a request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures import access
from procedures.evidence.models import Event
from procedures.models import Exchange, Person, TrustedIssuer, WorkloadRule

LAST = 5
SEES_ALL = ("manage_access", "audit")


@dataclass(frozen=True, slots=True)
class Shown:
    """One rule that lives, with its last exchanges, newest first."""

    rule: WorkloadRule
    last: list[Exchange]


def sees_all(actor: Person, at: datetime) -> bool:
    return any(access.decide(actor, verb, at=at).allowed for verb in SEES_ALL)


def shown(actor: Person, at: datetime) -> tuple[list[TrustedIssuer], list[Shown]]:
    """Everything for managers and auditors; else the rules of one's own service accounts, and the issuers of these."""
    rules = WorkloadRule.objects.filter(ended_at__isnull=True).select_related("issuer", "account__owner", "made_by")
    issuers = TrustedIssuer.objects.filter(ended_at__isnull=True)
    if not sees_all(actor, at):
        rules = rules.filter(account__owner=actor)
        issuers = issuers.filter(pk__in=rules.values("issuer"))
    rows = list(rules.order_by("name")[:500])
    return list(issuers.order_by("name")), [Shown(row, _last(row)) for row in rows]


def _last(rule: WorkloadRule) -> list[Exchange]:
    return list(rule.exchanges.select_related("token").order_by("-at")[:LAST])


def facts(token: UUID) -> dict[str, Any]:
    """What evidence says of the workload for which a token was given: issuer, subject, rule, the claims that fitted."""
    row = Exchange.objects.select_related("issuer").get(token=token)
    return {
        "exchange": str(row.pk),
        "issuer": row.issuer.url,
        "trusted": row.issuer_id,
        "sub": row.subject,
        "rule": row.rule_id,
        "claims": row.claims,
    }


def behind(run: UUID) -> dict[str, Any] | None:
    """The workload that asked for a run, as the evidence of the request says; None where none did."""
    row = Event.objects.filter(run=run, kind="run.requested").first()
    found: dict[str, Any] | None = json.loads(bytes(row.body)).get("workload") if row is not None and row.body else None
    return found
