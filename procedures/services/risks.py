"""Risk, raised by what the closure can reach and never lowered (rule 2)."""

from __future__ import annotations

from procedures.definitions import registry
from procedures.definitions.risk import risk_floor
from procedures.domain.definition import Definition
from procedures.models import CredentialBinding, Environment, Target


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
