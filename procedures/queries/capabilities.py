"""What runs need and what runners can, out of the tables; and why no runner can take a run, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from procedures.domain import capabilities
from procedures.domain.canonical import NotCanonical, parse
from procedures.domain.capabilities import Ability, Need
from procedures.models import Run, Runner, Target, Version


def ability_of(runner: Runner) -> Ability:
    """A runner as it was signed and as it last reported."""
    said: Mapping[str, Any] = runner.reported or {}
    return Ability(
        name=runner.name,
        environments=tuple(runner.environments),
        zones=frozenset(runner.zones),
        attested=tuple(runner.attested),
        reported=bool(said),
        tier=runner.tier,
        actions=dict(said.get("actions", {})),
        software=str(said.get("software", "")),
        plan_format=int(said.get("plan_format", 1)),
    )


def need_of(run: Run) -> Need:
    """What a planned run asks of its runner: hints for who may try, since the claim itself decides again."""
    try:
        planned = parse(bytes(run.plan))
    except NotCanonical:
        planned = {}
    callees = [call["version"] for call in planned.get("calls", [])]
    actions = dict(run.version.closure.get("actions", []))
    for closure in Version.objects.filter(pk__in=callees).values_list("closure", flat=True):
        actions |= dict(closure.get("actions", []))
    names = [row["name"] for row in planned.get("targets", [])]
    return Need(
        environment=run.environment_id,
        tier=run.environment.tier,
        actions=actions,
        zones=_zones(names) if names else frozenset(),
        plan_format=run.plan_format,
    )


def _zones(targets: Sequence[str]) -> frozenset[str]:
    rows = Target.objects.filter(name__in=targets, ended_at__isnull=True, attributes__has_key=capabilities.ZONE)
    return frozenset(str(row[capabilities.ZONE]) for row in rows.values_list("attributes", flat=True))


def no_runner_for(run: Run) -> str:
    """Why no enrolled runner can take this run, in a sentence; "" if one could (whether it is heard of or not)."""
    if run.draft:
        return ""
    rows = Runner.objects.filter(ended_at__isnull=True, disposable=False)
    return capabilities.told(need_of(run), [ability_of(row) for row in rows])
