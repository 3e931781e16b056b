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
    """Another run of the same concurrency group is under way and the procedure rejects a second."""

    code = "run.group-busy"
    next_step = "Wait until the other run has ended."


def allow(run: Run, definition: Definition, at: datetime) -> None:
    """What `onConflict` says of others of this run's group; `queue` waits at the claim. Raises GroupBusy."""
    rule = definition.concurrency.on_conflict if definition.concurrency else "queue"
    if rule == "queue":
        return
    others = Run.objects.select_for_update(of=("self",)).select_related("environment", "procedure")
    for busy in others.filter(concurrency_group=run.concurrency_group).exclude(pk=run.pk).exclude(state__in=OVER):
        if rule != "cancel-running" or not _may_cancel(run.requester, busy, at):
            raise GroupBusy(f"Run #{busy.no} of the same group is {busy.state}.")
        stop(busy, actor=run.requester, reason=f"Run #{run.no} of the same group takes its place.", at=at)


def _may_cancel(actor: Person, run: Run, at: datetime) -> bool:
    """`cancel-running` needs that right on the run it ends, else it acts as `reject` (decisions.md, 7)."""
    own = run.requester_id == actor.pk and access.within(actor, "cancel", run.procedure.name, run.environment_id)
    return own or access.decide(actor, "cancel", at=at, procedure=run.procedure, environment=run.environment).allowed
