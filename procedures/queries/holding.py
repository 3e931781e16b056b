"""Which runs are under way and what they hold; small sets, whatever stands in the queue behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet

from procedures.domain import holds
from procedures.domain.queue_rules import QueueRules
from procedures.domain.states import RunState
from procedures.models import Hold, Run
from procedures.models.runs import UNDER_WAY


def begun(at: datetime, prefix: str = "") -> Q:
    """Runs that hold what they need: a runner drives them, or they were parked less than four hours ago."""
    here: dict[str, Any] = {f"{prefix}state__in": UNDER_WAY, f"{prefix}started_at__isnull": False}
    driven: dict[str, Any] = {f"{prefix}state": RunState.RUNNING.value}
    lately: dict[str, Any] = {f"{prefix}state_since__gt": at - holds.PARKED}
    return Q(**here) & (Q(**driven) | Q(**lately))


def others(run: Run, names: Mapping[str, int], at: datetime) -> list[Hold]:
    """Holds of other runs that leave no place for this one, the oldest first."""
    rows = Hold.objects.filter(begun(at, "run__"), run__environment=run.environment_id, name__in=list(names))
    found: dict[str, list[Hold]] = {}
    for row in rows.exclude(run=run.pk).select_related("run").order_by("run_id"):
        found.setdefault(row.name, []).append(row)
    return [row for name, held in found.items() if holds.full(names[name], [one.most for one in held]) for row in held]


def blocked(environment: str, at: datetime) -> QuerySet[Hold, UUID]:
    """Ids of runs that need what is held in full now, its holders among them: without a join, for SQLite's planner."""
    held = Hold.objects.filter(begun(at, "run__"), run__environment=environment)
    counted = held.values("name").annotate(n=Count("pk"), least=Min("most"))
    closed: list[str] = []
    partly: dict[int, list[str]] = {}
    for row in counted:
        if row["n"] + 1 > row["least"]:
            closed.append(row["name"])
        else:
            partly.setdefault(row["n"], []).append(row["name"])
    needs = Q(name__in=closed)
    for n, names in partly.items():
        needs |= Q(name__in=names, most__lte=n)
    return Hold.objects.filter(needs).values_list("run_id", flat=True)


@dataclass(slots=True)
class Running:
    """How many runs are driven in an environment: in all, and by team, person and procedure."""

    total: int = 0
    teams: dict[str, int] = field(default_factory=dict)
    people: dict[int, int] = field(default_factory=dict)
    procedures: dict[str, int] = field(default_factory=dict)

    def full_for(self, run: Run, rules: QueueRules) -> str:
        """The limit that leaves this run no place now, in words; empty if none does."""
        if self.total >= rules.running:
            return f"{_under_way(rules.running)} in {run.environment_id}, which is its limit"
        if self.people.get(run.requester_id, 0) >= rules.person_running:
            return f"{_under_way(rules.person_running, run.requester)}, which is the limit for one person"
        most = rules.procedures.get(run.procedure.name)
        if most is not None and self.procedures.get(run.procedure.name, 0) >= most:
            return f"{_under_way(most, run.procedure.name)} in {run.environment_id}, which is its limit"
        return ""


def _under_way(number: int, of: object = "") -> str:
    whose = f" of {of}" if of else ""
    return f"One run{whose} is under way" if number == 1 else f"{number} runs{whose} are under way"


def running(environment: str) -> Running:
    """What runners drive now; drafts, which the disposable pool plays, are not among it."""
    driven = Run.objects.filter(environment=environment, state=RunState.RUNNING.value, draft=False)
    found = Running()
    rows = driven.filter(started_at__isnull=False, state__in=UNDER_WAY)
    for team, person, procedure in rows.values_list("team", "requester_id", "procedure__name"):
        found.total += 1
        found.teams[team] = found.teams.get(team, 0) + 1
        found.people[person] = found.people.get(person, 0) + 1
        found.procedures[procedure] = found.procedures.get(procedure, 0) + 1
    return found
