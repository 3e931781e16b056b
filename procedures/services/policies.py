"""Policies asked: what those in force say of a version, kept with its digest and told as evidence."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from procedures.domain.definition import RISKS, of_json
from procedures.domain.errors import NotAllowed
from procedures.domain.policies import Decision, PolicySet, told
from procedures.evidence.record import record
from procedures.models import CredentialBinding, Environment, Membership, Person, PolicyDecision, Target, Version
from procedures.policy import decide, documents
from procedures.queries.policies import last_said, standing
from procedures.services.risks import raise_to


class PolicyDenied(NotAllowed):
    """A policy in force refuses."""

    code = "policy.denied"
    next_step = "Change what the policy names. Whoever manages access can say why it stands, and change it."

    def __init__(self, decision: Decision, what: str) -> None:
        super().__init__(f"Policy refuses {what}. {told(decision.denied)}")
        self.facts = decision.facts()


def person(row: Person) -> documents.Person:
    groups = Membership.objects.filter(person=row).order_by("group__name").values_list("group__name", flat=True)
    return documents.Person(str(row.subject), row.kind, tuple(groups))


def place(environment: Environment) -> documents.Place:
    live = Target.objects.filter(environment=environment, ended_at__isnull=True).count()
    return documents.Place(environment.name, environment.production, live)


def judge_version(version: Version, *, at: datetime) -> Decision:
    """What the policies in force say of a version now; kept, with an event, unless that was known.

    Called inside the transaction of a submission or a decision: stale results die there.
    """
    policies, last = standing(), last_said(version)
    if last is None and not policies.concerned("submit", version.definition["environments"]):
        return Decision("submit", policies.digest)
    decision = version_decision(version, policies, at=at)
    if decision.raises:
        risk = max(decision.raises.values(), key=RISKS.index)
        names = sorted(name for name, said in decision.raises.items() if said == risk)
        raise_to(version, risk, [*version.risk_reasons, f"the policy {', '.join(names)} says {risk}"], at)
    if last is None or not _same(last, decision):
        _keep(version, decision, at)
    return decision


def version_decision(version: Version, policies: PolicySet, *, at: datetime) -> Decision:
    """What these policies say of a version; nothing is kept."""
    named: Collection[str] = version.definition["environments"]
    if not policies.concerned("submit", named):
        return Decision("submit", policies.digest)
    return decide(policies, "submit", _document(version, policies, at), at=at, environments=named)


def require_version(version: Version, *, at: datetime) -> None:
    """Raises PolicyDenied if a policy in force refuses the version."""
    decision = judge_version(version, at=at)
    if decision.denied:
        raise PolicyDenied(decision, f"version {version.number} of {version.procedure.name}")


def required_for(version: Version) -> dict[str, int]:
    """Reviewers whom policies ask for beside the profile's: `{duty: count}`."""
    last = last_said(version)
    return dict(last.required) if last else {}


def told_of(version: Version) -> dict[str, Any]:
    """What an acceptance says of the policies that it was decided under; nothing where none was ever concerned."""
    last = last_said(version)
    if last is None:
        return {}
    kept = ("policies", "input", "warned", "required")
    return {"policy": {**{key: getattr(last, key) for key in kept}, "event": str(last.event)}}


def _same(last: PolicyDecision, decision: Decision) -> bool:
    """Whether nothing was learned; the input holds the time, so its digest always differs."""
    now, before = decision.facts(), {key: getattr(last, key) for key in ("policies", "denied", "warned", "required")}
    return before == {key: now[key] for key in before}


def _keep(version: Version, decision: Decision, at: datetime) -> None:
    facts = decision.facts()
    event = record(
        "policy.decided",
        actor=None,
        at=at,
        procedure=version.procedure_id,
        facts={"version": str(version.id), "procedure": version.procedure.name, "digest": version.digest, **facts},
    )
    PolicyDecision.objects.create(version=version, event=event.id, at=at, **facts)


def _document(version: Version, policies: PolicySet, at: datetime) -> dict[str, Any]:
    definition = of_json(version.definition)
    rows = Environment.objects.filter(name__in=definition.environments)
    bound = CredentialBinding.objects.filter(
        environment__in=definition.environments, name__in=list(definition.credentials), ended_at__isnull=True
    ).order_by("environment", "name")
    return documents.version_document(
        definition,
        facts={
            "number": version.number,
            "digest": version.digest,
            "risk": version.risk,
            "risk_reasons": version.risk_reasons,
            "calls": [{"procedure": name, "digest": digest} for name, digest in version.closure.get("calls", [])],
        },
        files=dict(version.files.values_list("path", "size_bytes")),
        places=[place(row) for row in rows],
        bindings=[
            {"environment": b.environment_id, "name": b.name, "provider": b.provider, "role": b.role, "reach": b.reach}
            for b in bound
        ],
        submitter=person(version.submitter),
        now=documents.clock(at, policies),
    )
