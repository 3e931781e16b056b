"""What runs need and what runners can, out of the tables; and why no runner can take a run, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from procedures.domain import capabilities, plan
from procedures.domain.canonical import NotCanonical, parse
from procedures.domain.capabilities import Ability, Need
from procedures.domain.definition import of_json
from procedures.models import Environment, Run, Runner, Target, Version
from procedures.queries import calling


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
        away=frozenset(said.get("issuer", {}).get("away", [])),
        unmasked=tuple(said.get("unmasked", ())),
    )


def need_of(run: Run) -> Need:
    """What a planned run asks of its runner: hints for who may try, since the claim itself decides again."""
    try:
        planned = parse(bytes(run.plan))
    except NotCanonical:
        planned = {}
    callees = [call["version"] for call in planned.get("calls", [])]
    declared = planned.get("sandbox", {}).get("min_tier", "")
    need = _need(run.version, callees, run.environment, planned)
    tier = capabilities.strongest((run.environment.tier, declared))
    return replace(need, tier=tier, plan_format=run.plan_format, lent=need.lent or bool(run.sealed_secrets))


def need_before(version: Version, environment: Environment, planned: Mapping[str, Any] | None = None) -> Need:
    """What a run of this version there would ask, if it were asked for now; its zones are known once it is planned."""
    callees = calling.versions_below(version)
    declared = Version.objects.filter(pk__in=[version.pk, *callees]).values_list("definition", flat=True)
    tier = capabilities.strongest([environment.tier, *(of_json(row).sandbox for row in declared)])
    return replace(_need(version, callees, environment, planned or {}), tier=tier)


def _need(version: Version, callees: Sequence[Any], environment: Environment, planned: Mapping[str, Any]) -> Need:
    actions = dict(version.closure.get("actions", []))
    for closure in Version.objects.filter(pk__in=callees).values_list("closure", flat=True):
        actions |= dict(closure.get("actions", []))
    names = [row["name"] for row in planned.get("targets", [])]
    return Need(
        environment=environment.name,
        actions=actions,
        zones=_zones(names) if names else frozenset(),
        plan_format=plan.FORMAT,
        lent=bool(planned.get("credentials") or version.definition.get("credentials")),
    )


def _zones(targets: Sequence[str]) -> frozenset[str]:
    rows = Target.objects.filter(name__in=targets, ended_at__isnull=True, attributes__has_key=capabilities.ZONE)
    return frozenset(str(row[capabilities.ZONE]) for row in rows.values_list("attributes", flat=True))


def no_runner_for(need: Need | None, at: datetime) -> str:
    """Why no enrolled runner that lives takes this, in a sentence; "" if one does. None: a draft, which no need keeps
    from the disposable pool.
    """
    enrolled = list(Runner.objects.filter(ended_at__isnull=True, disposable=need is None))
    if need is None:
        able, where = enrolled, "drafts"
        why = "" if enrolled else "No runner serves drafts: an operator enrols one."
    else:
        able, where = [row for row in enrolled if not capabilities.lacks(need, ability_of(row))], need.environment
        why = capabilities.told(need, [ability_of(row) for row in enrolled])
    return why or _silent(able, where, at)


def _silent(able: Sequence[Runner], where: str, at: datetime) -> str:
    last = max((row.heartbeat_at for row in able if row.heartbeat_at), default=None)
    which = f"No runner of {where} that can do this"
    if last is None:
        return f"{which} was ever heard of: an operator starts one."
    if at - last > timedelta(seconds=settings.OPSPORTAL_HEARTBEAT_LOST_S):
        return f"{which} was heard of since {last:%Y-%m-%d %H:%M} UTC: an operator starts one."
    return ""
