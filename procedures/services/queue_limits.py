"""What a request may ask of the queue: a place in it at all, and a priority."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from procedures import access
from procedures.domain import spaces
from procedures.domain.errors import InvalidInput, NotAllowed, OpsError
from procedures.domain.queue_order import NORMAL, PRIORITIES
from procedures.domain.queue_rules import rules_of
from procedures.models import Environment, Person, Procedure, Space
from procedures.queries import queue


class QueueFull(OpsError):
    """As many runs wait as the environment's rules let wait, in all or of one person."""

    code = "run.queue-full"
    next_step = "Wait until some of them have run, or cancel what is no longer wanted."


def require(actor: Person, environment: Environment, priority: str, *, draft: bool, at: datetime) -> None:
    """Raises InvalidInput, NotAllowed for a priority that is not the actor's to choose, and QueueFull."""
    if priority:
        _may_choose(actor, environment, priority, at)
    if draft:
        return
    rules, waiting = rules_of(environment.queue), queue.waiting(environment.name)
    if waiting.filter(requester=actor)[: rules.person_queued].count() >= rules.person_queued:
        raise QueueFull(f"{rules.person_queued:,} runs of yours wait in {environment.name}, the limit for one person.")
    if waiting[: rules.queued].count() >= rules.queued:
        raise QueueFull(f"{rules.queued:,} runs wait in {environment.name}, which is its limit.")


def _may_choose(actor: Person, environment: Environment, priority: str, at: datetime) -> None:
    if priority not in PRIORITIES:
        raise InvalidInput([("/priority", f"is one of {', '.join(PRIORITIES)}")])
    if actor.kind == Person.Kind.AGENT:
        raise NotAllowed("Software does not choose how urgent its runs are: leave the priority out.")
    if PRIORITIES.index(priority) > NORMAL:
        decision = access.decide(actor, "operate", at=at, environment=environment)
        if not decision.allowed or actor.kind != Person.Kind.PERSON:
            raise NotAllowed(f"High priority is for operators of {environment.name}: ask one, or leave it out.")


def place_of(procedure: Procedure, priority: str) -> dict[str, Any]:
    """The columns of a run that say where it stands: its priority, and the team that its procedure belongs to."""
    return {"priority": PRIORITIES.index(priority) if priority else NORMAL, "team": team_of(procedure)}


def team_of(procedure: Procedure) -> str:
    """The first space by name that has the procedure; what authors write of an owner confers nothing (rule 17)."""
    labels = {procedure.name: procedure.labels}
    for space in Space.objects.filter(ended_at__isnull=True).order_by("name"):
        if spaces.owns({"procedures": space.procedures, "labels": space.labels}, procedure.name, labels):
            return space.name
    return ""
