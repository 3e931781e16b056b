"""The queue of an environment: which runs should go next, and where one of them stands."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Min, Q, QuerySet

from procedures.domain import queue_order
from procedures.domain.queue_order import Head
from procedures.domain.queue_rules import rules_of
from procedures.domain.states import RunState
from procedures.models import Environment, Run
from procedures.models.runs import UNDER_WAY
from procedures.queries import holding, stops

TRIED = 4  # a claim tries so many: another runner may have taken the first meanwhile


def waiting(environment: str) -> QuerySet[Run]:
    """Runs of this environment that are queued and did not begin; drafts stand elsewhere."""
    return Run.objects.filter(
        environment=environment, state=RunState.QUEUED.value, draft=False, started_at__isnull=True
    )


def next_up(environment: Environment, at: datetime, most: int = TRIED) -> list[UUID]:
    """The runs that should be claimed next, the first one first; none while the environment is stopped.

    Those that began go before the others: targets stand half-way, and locks are kept for them.
    """
    halted = stops.standing(environment=environment.name)
    if any(stop.procedure_id is None for stop in halted):
        return []
    half_way = Run.objects.filter(
        environment=environment, state=RunState.QUEUED.value, draft=False, started_at__isnull=False, state__in=UNDER_WAY
    ).exclude(procedure__in=[stop.procedure_id for stop in halted])
    found = list(half_way.order_by("queued_at").values_list("pk", flat=True)[:most])
    rules, driven = rules_of(environment.queue), holding.running(environment.name)
    if len(found) >= most or driven.total >= rules.running:
        return found
    ready = waiting(environment.name).exclude(pk__in=holding.blocked(environment.name, at))
    if environment.frozen_until_at is not None and environment.frozen_until_at > at:
        ready = ready.filter(priority=queue_order.GLASS)
    ready = ready.exclude(_held_back(driven, environment, [stop.procedure_id for stop in halted]))
    rows = ready.values("team", "priority").annotate(since=Min("queued_at"))
    heads = [Head(row["team"], row["priority"], row["since"] or at) for row in rows]
    for head in queue_order.order(heads, driven.teams, rules.shares, at):
        line = ready.filter(team=head.team, priority=head.priority).order_by("queued_at")
        found += line.values_list("pk", flat=True)[: most - len(found)]
        if len(found) >= most:
            break
    return found


def next_after(hint: UUID, at: datetime) -> list[UUID]:
    """The runs that should go first where the run of a message stands; the message is a hint (rule 8)."""
    row = Run.objects.select_related("environment").filter(pk=hint).first()
    return [] if row is None else next_up(row.environment, at)


def _held_back(driven: holding.Running, environment: Environment, stopped: list[UUID | None]) -> Q:
    """Runs of stopped procedures, and those whose person or procedure is at its limit."""
    rules = rules_of(environment.queue)
    people = [who for who, n in driven.people.items() if n >= rules.person_running]
    full = [name for name, most in rules.procedures.items() if driven.procedures.get(name, 0) >= most]
    return Q(procedure__in=stopped) | Q(requester__in=people) | Q(procedure__name__in=full)


def position(run: Run, at: datetime) -> int:
    """How many queued runs of its environment go before it, itself counted: 1 is the next.

    Counted by urgency and age; which team's turn it is changes with every run that ends.
    """
    since = run.queued_at or at
    urgent = queue_order.urgency(Head(run.team, run.priority, since), at)
    before = Q(priority=queue_order.GLASS) if urgent < queue_order.GLASS else Q(pk__in=[])
    before |= _reaching(urgent, at) & Q(queued_at__lt=since)
    if urgent < queue_order.GLASS - 1:
        before |= _reaching(urgent + 1, at)
    return waiting(run.environment_id).filter(before).exclude(pk=run.pk).count() + 1


def _reaching(level: int, at: datetime) -> Q:
    """Runs that are at least this urgent by now."""
    found = Q(priority__gte=level)
    for priority in range(min(level, queue_order.GLASS - 1) if level < queue_order.GLASS else 0):
        found |= Q(priority=priority, queued_at__lte=at - queue_order.GROWS_AFTER * (level - priority))
    return found
