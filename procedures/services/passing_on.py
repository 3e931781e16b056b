"""Asking somebody else to decide what waits: by whoever could decide it, never by whoever asked for it (rule 16)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from procedures import access
from procedures.domain.access_requests import AccessRequestState
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound
from procedures.domain.states import RunState, VersionState
from procedures.evidence.record import record
from procedures.models import AccessRequest, ControlChange, DecisionAsked, Person, Run, Version
from procedures.queries import access_requests, deciding, eligible, passed_on
from procedures.queries.passed_on import Waits, What
from procedures.services import telling
from procedures.services.control_gains import who_gains
from procedures.services.unit import thing

LONGEST = 2000


class NotAnyMore(IllegalState):
    """It is decided, or waits for nobody."""

    code = "decision.not-awaited"
    next_step = "Look at its page: it moved on."


class AskedBefore(IllegalState):
    """That person was asked to decide this already."""

    code = "decision.asked-before"
    next_step = "Wait for their decision, decide yourself, or ask somebody else."


@thing
def pass_on(
    *, actor: Person, what: str, about: UUID, to: UUID, reason: str, at: datetime, bearer: bool = False
) -> DecisionAsked:
    """Ask `to`, who could decide it too, to decide this. Whoever asks may still decide it themselves.

    Raises NotFound where the actor could not decide it, NotAllowed, InvalidInput, NotAnyMore, AskedBefore.
    """
    if bearer or access.scope_of(actor) is not None:
        raise NotAllowed("A bearer token decides nothing, and asks nobody to: sign in for that.")
    row = waiting(actor, what, about, at)
    able = could_decide(row, at)
    why = reason.strip()
    found = [] if 0 < len(why) <= LONGEST else [("/reason", f"say why, in {LONGEST} characters at most")]
    other = next((one for one in able if one.subject == to), None)
    if other is None or other.pk == actor.pk:
        found.append(("/to", "is nobody else who could decide this: outside the request, with the right, undecided"))
    if other is None or found:
        raise InvalidInput(found)
    asking = DecisionAsked(
        what=what, about=about, mark=passed_on.mark_of(row), person=other, by=actor, reason=why, at=at
    )
    try:
        with transaction.atomic():
            asking.save(force_insert=True)
    except IntegrityError as problem:
        raise AskedBefore(f"{other} was asked to decide this already.") from problem
    facts = {"what": what, "about": str(about), "to": str(other.subject), "reason": why, "mark": asking.mark}
    record("decision.passed_on", actor=actor.subject, at=at, facts=facts)
    telling.decision_asked(asking, at=at)
    return asking


def waiting(actor: Person, what: str, about: UUID, at: datetime) -> Waits:
    """The thing, for whoever could decide it now. Raises NotFound for others, NotAnyMore if it is decided."""
    if what not in FIND:
        raise NotFound("There is no such decision.")
    row = FIND[What(what)](about)
    if row is None:
        raise NotFound("There is no such decision.")
    if not _may(actor, row, at) or actor not in could_decide(row, at):
        if not _waits(row) and _sees(actor, row, at):
            raise NotAnyMore("This is decided, or waits for nobody any more.")
        raise NotFound("There is no such decision.")
    return row


def _may(actor: Person, row: Waits, at: datetime) -> bool:
    """Whether the one decision lets this person decide here at all."""
    if isinstance(row, Run):
        return access.decide(actor, "approve", at=at, procedure=row.procedure, environment=row.environment).allowed
    if isinstance(row, Version):
        return access.decide(actor, "review", at=at, procedure=row.procedure).allowed
    if isinstance(row, ControlChange):
        return deciding.may(actor, row.control, row.object, at=at).allowed
    return access_requests.may_decide(actor, row, at)


def _sees(actor: Person, row: Waits, at: datetime) -> bool:
    """Whether it is no secret to this person that it was there."""
    if isinstance(row, Run | Version):
        return access.decide(actor, "view", at=at, procedure=row.procedure).allowed
    return access.decide(actor, "manage_access", at=at).allowed


def could_decide(row: Waits, at: datetime) -> list[Person]:
    """Everybody who could decide this now and has not; nobody where nothing waits."""
    if not _waits(row):
        return []
    if isinstance(row, Run):
        return eligible.approvers(row, at)
    if isinstance(row, Version):
        return eligible.reviewers(row, at)
    if isinstance(row, ControlChange):
        return eligible.confirmers(row, at, who_gains(row.control, row.object, at=at))
    return access_requests.deciders(row, at)


def _waits(row: Waits) -> bool:
    if isinstance(row, Run):
        return row.state == RunState.AWAITING_APPROVAL or (row.state == RunState.WAITING and bool(row.waiting_gate))
    if isinstance(row, Version):
        return row.state == VersionState.IN_REVIEW
    open_state = ControlChange.State.PROPOSED if isinstance(row, ControlChange) else AccessRequestState.OPEN.value
    return bool(row.state == open_state)


FIND: Mapping[What, Callable[[UUID], Waits | None]] = {
    What.RUN: lambda pk: Run.objects.select_related("procedure", "environment", "requester").filter(pk=pk).first(),
    What.VERSION: lambda pk: Version.objects.select_related("procedure", "submitter").filter(pk=pk).first(),
    What.CHANGE: lambda pk: ControlChange.objects.select_related("proposer").filter(pk=pk).first(),
    What.ACCESS_REQUEST: lambda pk: AccessRequest.objects.select_related(*access_requests.JOINED).filter(pk=pk).first(),
}
