"""Risk, raised by what the closure can reach and never lowered (rule 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from procedures.definitions import registry
from procedures.definitions.risk import reach_floor, risk_floor
from procedures.domain.definition import RISKS, Definition
from procedures.domain.errors import OpsError
from procedures.domain.ports import Binding
from procedures.domain.states import VersionState
from procedures.evidence.record import record
from procedures.models import CredentialBinding, Environment, Target, Version


class ReachGrew(OpsError):
    """A credential reaches more today than the risk at which people accepted the version."""

    code = "run.reach-grew"
    next_step = "Have an author submit the same bytes again, so that reviewers see what they reach now."


def require_reach(risk: str, bindings: Iterable[Binding], environment: Environment) -> None:
    """What is bound today is no riskier than what was accepted (H2, H16). Raises ReachGrew."""
    rows = [asdict(binding) for binding in bindings]
    reached, why = reach_floor(rows, {environment.name} if environment.production else ())
    if RISKS.index(reached) > RISKS.index(risk):
        raise ReachGrew(f"It was accepted at {risk} risk, and what it is lent is {reached} now: {', '.join(why)}.")


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
