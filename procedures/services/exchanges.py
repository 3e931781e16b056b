"""A workload's token of a trusted issuer, exchanged once for a short one of a service account (RFC 8693)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from procedures.domain import workloads
from procedures.domain.canonical import moment
from procedures.domain.ids import uuid7
from procedures.domain.providers import ProviderUnreachable
from procedures.domain.workloads import Reach, WorkloadRefused
from procedures.evidence.record import record
from procedures.models import ApiToken, DenialCount, Exchange, Person, TrustedIssuer, WorkloadRule
from procedures.services import tokens
from procedures.services.unit import COALESCE_ABOVE, door
from procedures.signon import workload

A_MINUTE = 30  # exchanges of one rule
STAND_IN = "system:workloads"


@dataclass(frozen=True, slots=True)
class Given:
    """`secret` is told once; `seconds` how long it holds."""

    token: ApiToken
    secret: str
    reach: Reach
    seconds: int


def exchange(*, token: str, scope: str = "", rule: str = "", at: datetime) -> Given:
    """A token for the service account whose rule this workload fits. `rule` names one where several might fit.

    Every exchange and every refusal is evidence; refusals past five a minute are counted. The issuer is asked for its
    keys before anything is locked. Raises WorkloadRefused, ProviderUnreachable.
    """
    said = {"iss": "", "sub": ""}
    try:
        said |= workload.unproved(token)
        issuer = _trusted(said["iss"])
        claims = workload.verified(issuer.object, token, audience=settings.OPSPORTAL_PUBLIC_URL)
        with transaction.atomic(durable=True):
            return _given(_locked_issuer(issuer), claims, _mark(token, claims), scope, rule, at)
    except (WorkloadRefused, ProviderUnreachable) as refusal:
        _note(said, rule, refusal, at)
        raise


def _trusted(url: str) -> TrustedIssuer:
    row = TrustedIssuer.objects.filter(url=url, ended_at__isnull=True).first()
    if row is None:
        raise WorkloadRefused("No issuer of this name, letter by letter, is trusted here.")
    return row


def _locked_issuer(seen: TrustedIssuer) -> TrustedIssuer:
    """The issuer as its keys were checked, kept from changing until the token stands. Raises WorkloadRefused."""
    row = TrustedIssuer.objects.select_for_update(no_key=True).filter(pk=seen.pk, ended_at__isnull=True).first()
    if row is None or row.object != seen.object:
        raise WorkloadRefused("What is signed of this issuer changed at this moment: try again.")
    return row


def _mark(token: str, claims: Mapping[str, Any]) -> str:
    """What a token is known by once it was taken: its id, or what its issuer signed."""
    return str(claims.get("jti") or "sha256:" + hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest())


def _given(issuer: TrustedIssuer, claims: Mapping[str, Any], mark: str, scope: str, rule: str, at: datetime) -> Given:
    row = _fitting(issuer, claims, rule)
    reach = workloads.narrowed(row.object, scope)
    if Exchange.objects.filter(issuer=issuer, mark=mark).exists():
        raise WorkloadRefused("This token was exchanged already; ask its issuer for a fresh one.", proved=True)
    if Exchange.objects.filter(rule=row, at__gt=at - timedelta(minutes=1)).count() >= A_MINUTE:
        why = f"The rule {row.name} was used {A_MINUTE} times within a minute."
        raise WorkloadRefused(why, error="slow_down", status=429, proved=True)
    account = _open(row.account_id)
    seconds = int(row.object["seconds"])
    parts = {part: list(getattr(reach, part)) for part in workloads.PARTS}
    name, until = f"workload {row.name}", at + timedelta(seconds=seconds)
    token, secret = tokens.store(account, row.made_by, name, at, until, parts)
    fitted = {name: workloads.said(claims, name) for name in row.object["claims"]}
    kept = {"id": uuid7(), "mark": mark, "subject": claims["sub"], "claims": fitted, "at": at}
    taken = Exchange.objects.create(issuer=issuer, rule=row, token=token, **kept)
    facts = {
        "exchange": str(taken.pk),
        "issuer": issuer.url,
        "trusted": issuer.name,
        "sub": claims["sub"],
        "jti": mark,
        "rule": row.name,
        "subject": str(account.subject),
        "token": str(token.pk),
        "scope": parts,
        "claims": fitted,
        "expires_at": moment(until),
        "door": door.get(),
    }
    record("workload.exchanged", actor=account.subject, at=at, facts=facts)
    return Given(token, secret, reach, seconds)


def _fitting(issuer: TrustedIssuer, claims: Mapping[str, Any], wanted: str) -> WorkloadRule:
    """The one living rule that the claims fit, locked. Raises WorkloadRefused, which tells a stranger no rule."""
    rules = WorkloadRule.objects.filter(issuer=issuer, ended_at__isnull=True).select_for_update(
        no_key=True, of=("self",)
    )
    rows = [row for row in rules.select_related("made_by").order_by("pk") if wanted in ("", row.name)]
    fitting = [row for row in rows if workloads.fits(row.object, claims)]
    if not fitting:
        raise WorkloadRefused("No rule of this portal fits this workload.", error="invalid_grant", proved=True)
    if len(fitting) > 1:
        raise WorkloadRefused("More than one rule fits this workload: name one, with rule=NAME.", proved=True)
    return fitting[0]


def _open(account: int) -> Person:
    """The account, kept from being closed or given away until the token stands. Raises WorkloadRefused."""
    rows = Person.objects.select_for_update(no_key=True, of=("self",)).filter(pk=account, kind=Person.Kind.SERVICE)
    row = rows.filter(is_active=True, owner__is_active=True).first()
    if row is None:
        raise WorkloadRefused("The service account of this rule is closed.", error="invalid_grant", proved=True)
    return row


def _note(said: Mapping[str, str], rule: str, refusal: WorkloadRefused | ProviderUnreachable, at: datetime) -> None:
    """A refusal on the record; of each issuer five a minute whose signature held, and five where nothing is proved."""
    proved = isinstance(refusal, WorkloadRefused) and refusal.proved
    with transaction.atomic(durable=True):
        defaults: dict[str, Any] = {"name": "Workloads", "kind": Person.Kind.SYSTEM, "password": "!", "created_at": at}
        person, _ = Person.objects.get_or_create(username=STAND_IN, defaults=defaults)
        known = TrustedIssuer.objects.filter(url=said["iss"], ended_at__isnull=True).first()
        counted: dict[str, Any] = {
            "verb": f"{'proved' if proved else 'unproved'} {known.name if known else 'unknown'}"[:60],
            "door": door.get(),
            "minute": at.replace(second=0, microsecond=0),
        }
        counter, _ = DenialCount.objects.get_or_create(person=person, **counted)
        DenialCount.objects.filter(pk=counter.pk).update(count=F("count") + 1)
        if counter.count >= COALESCE_ABOVE:
            return
        facts = {"issuer": said["iss"], "sub": said["sub"], "rule": rule, "proved": proved, "door": door.get()}
        record("workload.refused", actor=None, at=at, facts={**facts, "reason": refusal.message[:300]})
