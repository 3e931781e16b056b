"""Policies in the issuer's own replay, asked about the approved plan: what they refuse is lent nothing (rule 15).

They are those that signed events put in force, whatever a table says. The time is that of the claim: a run that began
in time is not stopped half-way by the clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from uuid import UUID

from procedures.domain.controls import Authority
from procedures.domain.definition import Definition, of_json
from procedures.domain.policies import Decision, PolicySet, in_force, merged, told
from procedures.domain.profiles import approvals_union
from procedures.evidence.queries import Fact
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Run, Version
from procedures.policy import decide, documents

KEPT = 64
_known: OrderedDict[tuple[str, str, str], Decision] = OrderedDict()
_lock = Lock()


def required(authority: Authority, run: Run, plan: Mapping[str, Any], facts: Sequence[Fact]) -> dict[str, int]:
    """Approvals that policies ask for, at the request and of this plan. Raises LeaseRefused where one refuses."""
    asked = [f.facts["policy"]["required"] for f in facts if f.kind == "run.requested" and "policy" in f.facts]
    policies = in_force(row for row in authority.policies.values() if row["stands"])
    if not policies.concerned("plan", [run.environment_id]):
        return approvals_union(*asked)
    claimed = next((f.id for f in reversed(facts) if f.kind == "run.claimed"), None)
    if claimed is None:
        raise LeaseRefused("The log holds no claim of this run.")
    said = _said(authority, run, plan, policies, claimed)
    if said.denied:
        raise LeaseRefused(f"Policy refuses this run. {told(said.denied)}")
    return approvals_union(*asked, said.required)


def _said(authority: Authority, run: Run, plan: Mapping[str, Any], policies: PolicySet, claimed: str) -> Decision:
    """Asked once per claim, plan and set of policies, not for each of a run's leases."""
    key = (run.plan_digest, policies.digest, claimed)
    with _lock:
        if key in _known:
            return _known[key]
    said = _asked(authority, run, plan, policies, begun_at(claimed))
    with _lock:
        _known[key] = said
        while len(_known) > KEPT:
            _known.popitem(last=False)
    return said


def _asked(authority: Authority, run: Run, plan: Mapping[str, Any], policies: PolicySet, at: datetime) -> Decision:
    where = run.environment_id
    subject = str(run.requester.subject)
    live = [row for row in authority.targets.values() if row["stands"] and row["environment"] == where]
    rows = documents.plan_documents(
        plan,
        _definitions(run, plan),
        place=documents.Place(where, where in authority.production, len(live)),
        requester=documents.Person(subject, run.requester.kind, tuple(sorted(authority.groups_of(subject)))),
        door=run.door,
        now=documents.clock(at, policies),
    )
    return merged("plan", [decide(policies, "plan", row, at=at, environments=[where]) for row in rows])


def _definitions(run: Run, plan: Mapping[str, Any]) -> dict[str, Definition]:
    called = {row["at"]: row["version"] for row in plan.get("calls", [])}
    rows = Version.objects.in_bulk([UUID(version) for version in called.values()])
    found = {prefix: of_json(rows[UUID(version)].definition) for prefix, version in called.items()}
    return {"": of_json(run.version.definition), **found}


def begun_at(event: str) -> datetime:
    """When an event was made, to the millisecond, as its id says (RFC 9562, version 7)."""
    return datetime.fromtimestamp((UUID(event).int >> 80) / 1000, tz=UTC)
