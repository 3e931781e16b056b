"""How risky a version is: what its author declared, raised by what its bindings and actions can reach (H16)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from procedures.domain import filters
from procedures.domain.definition import PHASES, RISKS, Definition, Risk
from procedures.domain.ports import Action

STATIC = frozenset({"sealed-secret", "git-token", "git-key"})
HIGH_ACTIONS = frozenset({"terraform:destroy", "kubernetes:delete"})


def risk_floor(
    definition: Definition,
    *,
    bindings: Sequence[Mapping[str, Any]],
    production: Collection[str],
    trust_key: bool,
    actions: Mapping[str, Action],
) -> tuple[Risk, list[str]]:
    """(risk, reasons), after decisions.md, 3. `trust_key`: some target is at host-trust level *key*."""
    found: list[tuple[Risk, str]] = [(definition.risk, "declared by the author")]
    steps = [step for phase in PHASES for step in definition.branch(phase)]
    for step in steps:
        action = actions.get(step.action)
        if action is not None and action.floor != "low":
            found.append((action.floor, f"{step.id} uses {step.action}"))
        if step.action in HIGH_ACTIONS:
            found.append(("high", f"{step.id} uses {step.action}"))
        if step.input.get("network") or step.input.get("egress"):
            found.append(("moderate", f"{step.id} reaches the network"))
    if definition.targets is not None and definition.targets.strategy.alarms:
        found.append(("moderate", "its alarms ask over the network"))
    found += [row for binding in bindings for row in _reach(binding, production)]
    if definition.targets is not None:
        if filters.parse(definition.targets.filter).is_wildcard and set(definition.environments) & set(production):
            found.append(("high", "its filter may match every production target"))
        if trust_key and definition.risk == "low":
            found.append(("moderate", "a host is trusted by a plain key"))
    risk = max((level for level, _ in found), key=RISKS.index)
    reasons = [why for level, why in found if RISKS.index(level) > RISKS.index(definition.risk)]
    return risk, sorted(set(reasons))


def reach_floor(bindings: Sequence[Mapping[str, Any]], production: Collection[str]) -> tuple[Risk, list[str]]:
    """(risk, reasons) of what these bindings reach alone: rows with `environment name provider role reach` (H16)."""
    found = [row for binding in bindings for row in _reach(binding, production)]
    risk: Risk = max((level for level, _ in found), key=RISKS.index, default="low")
    return risk, sorted({why for level, why in found if level == risk})


def _reach(binding: Mapping[str, Any], production: Collection[str]) -> list[tuple[Risk, str]]:
    name, where, reach = binding["name"], binding["environment"], binding["reach"]
    found: list[tuple[Risk, str]] = []
    if where in production:
        found.append(("moderate", f"{name} is bound in {where}"))
    if binding["role"] == "root" or reach.get("root") or reach.get("sudo") == "all":
        found.append(("high", f"{name} reaches root in {where}"))
    if where in production and binding["provider"] in STATIC:
        found.append(("high", f"{name} is a static secret in {where}"))
    return found
