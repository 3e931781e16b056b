"""Reconciling what was lent with the targets' own logs: who came in with what the ledger does not know is told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures import access
from procedures.definitions import registry
from procedures.domain import logins as rules
from procedures.domain.canonical import parse_moment
from procedures.domain.errors import InvalidInput
from procedures.domain.ids import since
from procedures.domain.logins import Lent, Login
from procedures.domain.sshkeys import fingerprint
from procedures.evidence.queries import Fact, facts_naming, facts_of_run
from procedures.evidence.record import record
from procedures.models import CredentialBinding, LeaseRecord, Person, PortalSetting, Target
from procedures.queries.targets import one_target
from procedures.services import telling
from procedures.services.leases import KEPT
from procedures.services.unit import thing

UNKNOWN = "target.unknown_login"
MOST_TOLD = 50
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Found:
    """What one log says: `unknown` are logins with why nobody was lent them; `fresh` of those are told of only now."""

    logins: int
    known: int
    not_ours: int
    unsure: int
    unknown: Sequence[tuple[Login, str]]
    fresh: int


@thing
def reconcile(*, actor: Person, target: str, log: str, at: datetime) -> Found:
    """Hold the sshd log of one target, as its operator brings it, against the evidence. Each unknown login is an event
    and told to security, once however often the log is brought.

    Raises NotAllowed, NotFound, InvalidInput.
    """
    row = one_target(actor, target, at)
    access.require(actor, "operate", at=at, environment=row.environment)
    logins = rules.read(log)
    if not logins:
        raise InvalidInput([("/log", "holds no line in which sshd accepts a login; see that it has LogLevel VERBOSE")])
    known = rules.Known(row.name, _authority(row), _accounts(row), _lent(row, logins))
    again, counts, unknown = rules.twice(logins), {"": 0, rules.NOT_OURS: 0, rules.UNSURE: 0}, []
    for login in logins:
        why = known.why_not(login)
        if not why and login.serial in again:
            why = "with a certificate with which somebody came in more than once"
        if why in counts:
            counts[why] += 1
        else:
            unknown.append((login, why))
    fresh = [(login, why) for login, why in unknown if not facts_naming(login.mark(row.name), UNKNOWN)]
    told = {"logins": len(logins), "known": counts[""], "not_ours": counts[rules.NOT_OURS]}
    told |= {"unsure": counts[rules.UNSURE], "unknown": len(unknown)}
    facts = {"target": row.name, "environment": row.environment_id, **told}
    sha256 = hashlib.sha256(log.encode()).hexdigest()
    record("target.reconciled", actor=actor.subject, at=at, facts={**facts, "log_sha256": sha256})
    for login, why in fresh[:MOST_TOLD]:
        record(UNKNOWN, actor=actor.subject, at=at, facts=_said(row, login, why))
    if fresh:
        telling.unknown_logins(row, len(fresh), at=at)
    return Found(len(logins), counts[""], counts[rules.NOT_OURS], counts[rules.UNSURE], unknown, len(fresh))


def _said(row: Target, login: Login, why: str) -> dict[str, Any]:
    return {
        "target": row.name,
        "environment": row.environment_id,
        "account": login.account,
        "address": login.address,
        "when": login.when,
        "why": why,
        "serial": login.serial,
        "key": login.key,
        "line_sha256": login.mark(row.name),
    }


def _authority(row: Target) -> str:
    said = PortalSetting.objects.filter(name="ssh-authorities").first()
    public = said.value.get(row.environment_id, "") if said is not None else ""
    return fingerprint(public) if public else ""


def _accounts(row: Target) -> set[str]:
    """Accounts of which every login there is a run's: those that bindings of the environment name, or ever named."""
    ssh = [name for name, provider in registry.provider_kinds().items() if provider.kind == "ssh"]
    bound = CredentialBinding.objects.filter(environment=row.environment_id, provider__in=ssh)
    return set(bound.values_list("role", flat=True))


def _lent(row: Target, logins: Sequence[Login]) -> list[Lent]:
    """What the log says was lent that these logins could have come in with. Tables only say where to look in it."""
    rows = LeaseRecord.objects.filter(run__environment=row.environment_id)
    serials = sorted({login.serial for login in logins if login.serial})
    found: dict[UUID, LeaseRecord] = {}
    for begin in range(0, len(serials), AT_ONCE):
        found |= {one.pk: one for one in rows.filter(handle__in=serials[begin : begin + AT_ONCE])}
    moments = [login.at for login in logins if login.key and not login.serial and login.at is not None]
    if any(login.key and not login.serial for login in logins):
        keyed = rows.filter(target=row.name, handle__startswith="key:")
        found |= {one.pk: one for one in (keyed.filter(id__gt=since(min(moments) - KEPT)) if moments else keyed)}
    runs = {one.run_id for one in found.values() if one.attempt}
    facts = [fact for run in runs for fact in facts_of_run(run) if fact.kind == "lease.issued"]
    for one in found.values():
        if not one.attempt:  # lent only to look for what was lost: its run was sealed before
            facts += facts_naming(str(one.pk), "lease.issued")
    return [_of(fact) for fact in facts if "account" in fact.facts["evidence"]]


def _of(fact: Fact) -> Lent:
    said, evidence = fact.facts, fact.facts["evidence"]
    return Lent(
        target=str(said["target"]),
        account=str(evidence["account"]),
        issued_at=parse_moment(fact.at),
        expires_at=parse_moment(said["expires_at"]),
        serial=str(evidence.get("serial", "")),
        key_id=str(evidence.get("key_id", "")),
        key=str(evidence.get("key", "")),
    )
