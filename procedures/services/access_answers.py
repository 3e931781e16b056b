"""Answers to access requests: granted as asked or with less, refused, withdrawn, or lapsed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from procedures.domain import access_requests as rules
from procedures.domain import control_shapes
from procedures.domain.access_requests import AccessRequestState
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.states import StateConflict
from procedures.models import AccessRequest, ControlChange, Person
from procedures.queries import access_requests as requests
from procedures.queries import deputies
from procedures.services import control_ends, controls, request_states
from procedures.services.access_requests import say_why
from procedures.services.request_states import gone
from procedures.services.unit import SecondPersonRequired, thing


@thing
def grant_request(
    *,
    actor: Person,
    request: UUID,
    object: Mapping[str, Any],
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> tuple[AccessRequest, ControlChange]:
    """Grant what was asked, or less: the grant's own change, with its signature and its confirmer.

    Raises NotAllowed, NotFound, SecondPersonRequired, NoLongerGrantable, StateConflict, InvalidInput, and what
    `controls.propose` raises.
    """
    row = _deciding(actor, request, at, bearer=bearer)
    control_shapes.check("grant", object)
    asked = requests.asked_of(row)
    if problems := rules.beyond(asked, object):
        raise InvalidInput(problems)
    change = controls.put_forward(actor=actor, control="grant", object=object, signature=signature, at=at)
    narrowed = rules.narrowed(asked, object)
    in_force = change.state == ControlChange.State.CONFIRMED
    request_states.move(
        row,
        AccessRequestState.GRANTED if in_force else AccessRequestState.PROPOSED,
        at=at,
        actor=actor,
        facts={"change": str(change.pk), "narrowed": narrowed},
        change=change,
        decided_by=actor,
        narrowed=narrowed,
    )
    return row, change


@thing
def refuse_request(*, actor: Person, request: UUID, reason: str, at: datetime, bearer: bool = False) -> AccessRequest:
    """Refuse, with a reason that the asker reads. Raises as `grant_request`."""
    row = _deciding(actor, request, at, bearer=bearer)
    if problems := say_why(reason):
        raise InvalidInput(problems)
    why = reason.strip()
    fields: dict[str, Any] = {"decided_by": actor, "answer": why}
    request_states.move(row, AccessRequestState.REFUSED, at=at, actor=actor, facts={"reason": why}, **fields)
    return row


@thing
def withdraw_request(*, actor: Person, request: UUID, at: datetime) -> AccessRequest:
    """Take an own request back; a grant that waits for its confirmer falls with it. Raises NotFound, StateConflict."""
    row = _locked(request)
    if row is None or row.asker_id != actor.pk:
        raise NotFound("You made no such access request.")
    _end(row, AccessRequestState.WITHDRAWN, at=at, actor=actor, facts={}, why="Who asked for it withdrew the request.")
    return row


def lapse_requests(*, at: datetime) -> int:
    """End what nobody answered in time, and what has nothing left to be granted. Returns how many; safe to repeat."""
    over = (
        Q(lapses_at__lte=at)
        | Q(asker__is_active=False)
        | Q(procedure__retired_at__isnull=False)
        | Q(extends__revoked_at__isnull=False)
    )
    found = AccessRequest.objects.filter(over, state__in=requests.UNDER_WAY).order_by("id").values_list("pk", flat=True)
    return sum(_lapse(request=pk, at=at) for pk in list(found[: requests.MOST]))


@thing
def _lapse(*, request: UUID, at: datetime) -> bool:
    row = _locked(request)
    if row is None or row.state not in requests.UNDER_WAY:
        return False
    why = gone(row) or f"Nobody decided it within {rules.LAPSES_AFTER.days} days."
    _end(row, AccessRequestState.LAPSED, at=at, actor=None, facts={"why": why}, why=why, answer=why)
    return True


def _end(
    row: AccessRequest,
    new: AccessRequestState,
    *,
    at: datetime,
    actor: Person | None,
    facts: Mapping[str, Any],
    why: str,
    **fields: Any,
) -> None:
    waiting = row.change if row.state == AccessRequestState.PROPOSED else None
    request_states.move(row, new, at=at, actor=actor, facts=facts, **fields)
    if waiting is not None:
        control_ends.turn_down(waiting, actor=actor, reason=why, at=at)


def _locked(request: UUID) -> AccessRequest | None:
    """The request under lock, its waiting change first, as a confirmation locks them. Raises StateConflict."""
    change = AccessRequest.objects.filter(pk=request).values_list("change", flat=True).first()
    if change is not None:
        ControlChange.objects.select_for_update().get(pk=change)
    rows = AccessRequest.objects.select_for_update(of=("self",)).select_related(*requests.JOINED)
    row = rows.filter(pk=request).first()
    if row is not None and row.change_id != change:
        raise StateConflict("This access request moved on meanwhile.")
    return row


def _deciding(actor: Person, request: UUID, at: datetime, *, bearer: bool) -> AccessRequest:
    """The open request, locked for whoever may decide it."""
    if bearer:
        raise NotAllowed("A bearer token decides nothing: sign in for that.")
    row = _locked(request)
    if row is None or not requests.seen_by(actor, at).filter(pk=request).exists():
        raise NotFound("There is no such access request.")
    if actor.pk in requests.involved(row):
        raise SecondPersonRequired("You would gain from this access request: somebody else must decide it.")
    if actor.pk in deputies.stand_ins(requests.involved(row), "manage_access", at):
        raise SecondPersonRequired("You stand in for somebody who would gain from this: somebody else must decide it.")
    requests.require_deciding(actor, row, at)
    if row.state != AccessRequestState.OPEN:
        by = f" by {row.decided_by}" if row.decided_by else ""
        raise StateConflict(f"This access request is {row.state} already{by}.")
    request_states.require_grantable(row, actor)
    return row
