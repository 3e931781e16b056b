"""Risk, raised by what the closure can reach and never lowered (rule 2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from procedures.definitions import registry
from procedures.definitions.risk import risk_floor
from procedures.domain.definition import RISKS, Definition
from procedures.domain.states import VersionState
from procedures.evidence.record import record
from procedures.models import CredentialBinding, Environment, Target, Version


def version_risk(definition: Definition) -> tuple[str, list[str]]:
    """(risk, reasons) of a definition against the bindings and targets of the environments it names."""
    production = set(Environment.objects.filter(production=True).values_list("name", flat=True))
    bindings = [
        {"environment": b.environment_id, "name": b.name, "provider": b.provider, "reach": b.reach, "role": b.role}
        for b in CredentialBinding.objects.filter(
            environment__in=definition.environments, name__in=list(definition.credentials), ended_at__isnull=True
        )
    ]
    by_key = Target.objects.filter(environment__in=definition.environments, trust="key", ended_at__isnull=True).exists()
    risk, reasons = risk_floor(
        definition, bindings=bindings, production=production, trust_key=by_key, actions=registry.actions()
    )
    return risk, list(reasons)


def raise_to(version: Version, risk: str, reasons: Sequence[str], at: datetime) -> None:
    """Write down a risk that is higher than what the version in review has, so that its review grows with it (H16)."""
    was = version.risk
    if version.state != VersionState.IN_REVIEW or RISKS.index(risk) <= RISKS.index(was):
        return
    Version.objects.filter(pk=version.pk).update(risk=risk, risk_reasons=list(reasons))
    version.risk, version.risk_reasons = risk, list(reasons)
    facts = {"version": str(version.id), "digest": version.digest, "was": was, "risk": risk, "reasons": list(reasons)}
    record("version.risk_raised", actor=None, at=at, procedure=version.procedure_id, facts=facts)
