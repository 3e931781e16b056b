"""Concurrency groups at the request: what `onConflict` of a procedure says of others that are under way."""

from __future__ import annotations

from datetime import datetime

from procedures import access
from procedures.domain.definition import Definition
from procedures.domain.errors import IllegalState
from procedures.domain.states import TERMINAL_RUN_STATES
from procedures.models import Person, Run
from procedures.services.winding import stop

OVER = [state.value for state in TERMINAL_RUN_STATES]


class GroupBusy(IllegalState):
    """As many runs of the same concurrency group are under way as may be, and the procedure rejects one more."""

    code = "run.group-busy"
    next_step = "Wait until the other run has ended."


def allow(run: Run, definition: Definition, at: datetime) -> None:
    """What `onConflict` says of others of this run's group; `queue` waits at the claim. Raises GroupBusy.

    Two that ask at the same time are judged one after the other: each drew a number without gaps.
    """
    row = definition.concurrency
    if row is None or row.on_conflict == "queue":
        return
    others = Run.objects.select_for_update(of=("self",)).select_related("environment", "procedure")
    same = others.filter(concurrency_group=run.concurrency_group, environment=run.environment_id)
    under_way = list(same.exclude(pk=run.pk).exclude(state__in=OVER).order_by("id"))
    for busy in under_way[: max(0, len(under_way) + 1 - row.limit)]:
        if row.on_conflict != "cancel-running" or not _may_cancel(run.requester, busy, at):
            who = f"Run #{busy.no}" if _may_know(run.requester, busy, at) else "Another run"
            raise GroupBusy(f"{who} of the same group is {busy.state.replace('_', ' ')}.")
        stop(busy, actor=run.requester, reason=f"Run #{run.no} of the same group takes its place.", at=at)


def _may_cancel(actor: Person, run: Run, at: datetime) -> bool:
    """`cancel-running` needs that right on the run it ends, else it acts as `reject` (decisions.md, 7)."""
    own = run.requester_id == actor.pk and access.within(actor, "cancel", run.procedure.name, run.environment_id)
    return own or access.decide(actor, "cancel", at=at, procedure=run.procedure, environment=run.environment).allowed


def _may_know(actor: Person, run: Run, at: datetime) -> bool:
    return access.visible_runs(Run.objects.filter(pk=run.pk), actor, "view", "approve", "audit", at=at).exists()
