"""Stop switches: thrown by one hand at once, lifted by a change that in production somebody else signs (rule 20)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from procedures import access
from procedures.domain import spaces as rules
from procedures.domain import stops
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed
from procedures.evidence.record import record
from procedures.models import ControlChange, Environment, Person, Procedure, Stop
from procedures.queries import eligible, spaces
from procedures.services import holds, telling
from procedures.services.unit import thing


class StoppedAlready(IllegalState):
    """The switch is thrown already."""

    code = "stop.already"
    next_step = "Look at the list of stops; whoever may can lift it."


@thing
def throw(
    *, actor: Person, environment: str | None = None, procedure: str | None = None, reason: str, at: datetime
) -> Stop:
    """From this instant no run begins there and none goes on; without a name that is the whole portal.

    What runs hears of it with its next heartbeat and does no further step but those that are safe after a stop; what is
    queued waits. Raises NotAllowed, InvalidInput, StoppedAlready.
    """
    if environment and procedure:
        raise InvalidInput([("/procedure", "stop an environment or a procedure, not one within the other")])
    if not reason.strip() or len(reason) > stops.REASON:
        raise InvalidInput([("/reason", f"say why, in 1 to {stops.REASON} characters")])
    place = Environment.objects.filter(pk=environment).first() if environment else None
    row = Procedure.objects.filter(name=procedure).first() if procedure else None
    _require(actor, place, row, environment=environment, procedure=procedure, at=at)
    for name in [environment] if environment else sorted(Environment.objects.values_list("name", flat=True)):
        holds.mutex(name)  # a claim is before this in the log or sees it: none stands there as one that passed it
    said: dict[str, Any] = {"reason": reason.strip(), "thrown_by": actor, "thrown_at": at}
    try:
        with transaction.atomic():
            made = Stop.objects.create(environment=place, procedure=row, **said)
    except IntegrityError as twice:  # by a constraint, so of two at the same moment one is told
        raise StoppedAlready(f"{environment or procedure or 'The whole portal'} is stopped already.") from twice
    named = {"environment": environment or "", "procedure": procedure or ""}
    facts = {"stop": str(made.pk), "reason": made.reason, **named}
    record("stop.thrown", actor=actor.subject, at=at, procedure=row.pk if row else None, facts=facts)
    telling.stop_thrown(made, at=at)
    return made


def may_throw(actor: Person, environment: Environment | None, procedure: Procedure | None, at: datetime) -> bool:
    """Operators of the place; for a procedure also the leads of its space and whoever holds the security duty."""
    if access.decide(actor, "operate", at=at, environment=environment, whole=environment is None).allowed:
        return True
    if procedure is None:
        return False
    labels = {procedure.name: procedure.labels}
    led = any(rules.owns(spaces.as_object(one), procedure.name, labels) for one in spaces.led_by(actor))
    return led or actor.pk in {one.pk for one in eligible.security(at)}


def _require(
    actor: Person,
    place: Environment | None,
    row: Procedure | None,
    *,
    environment: str | None,
    procedure: str | None,
    at: datetime,
) -> None:
    if (environment and place is None) or (procedure and row is None) or not may_throw(actor, place, row, at):
        what = environment or procedure or "the whole portal"
        who = "its operators, leads of its space and the security duty" if procedure else "its operators"
        raise NotAllowed(f"{actor.username} may not stop {what}: that is for {who}.")


def lift_of(row: Stop, reason: str) -> dict[str, Any]:
    """The control object that lifts a stop."""
    named = {"environment": row.environment_id} if row.environment_id else {}
    named |= {"procedure": row.procedure.name} if row.procedure else {}
    return {"stop": str(row.pk), "reason": reason, **named}


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a lift may not say: it names a live stop, and what that stops."""
    row = Stop.objects.filter(pk=object["stop"], lifted_at__isnull=True).select_related("procedure").first()
    if row is None:
        return [("/object/stop", "there is no such live stop")]
    if stops.of(lift_of(row, "")) != stops.of(object):
        return [("/object/stop", f"stops {row.what}: name exactly that")]
    return []


def take_effect(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """The stop is over; runs that wait go on with the next message."""
    by = change.confirmer or change.proposer
    Stop.objects.filter(pk=object["stop"], lifted_at__isnull=True).update(lifted_at=at, lifted_by=by)
