"""The one place where an access request's state is written, and what becomes of it when its grant is decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from procedures.domain.access_requests import ACCESS_REQUEST_MOVES, AccessRequestState
from procedures.domain.errors import IllegalState
from procedures.domain.states import StateConflict, require_move
from procedures.evidence.record import record
from procedures.models import AccessRequest, ControlChange, Person
from procedures.queries import access_requests as requests
from procedures.services import telling
from procedures.services.unit import SecondPersonRequired


class NoLongerGrantable(IllegalState):
    """What was asked for has gone meanwhile: the procedure, the asker's account, or the access to be extended."""

    code = "access-request.gone"
    next_step = "Nothing is left to grant: the request lapses by itself, and its asker is told why."


def move(
    row: AccessRequest,
    new: AccessRequestState,
    *,
    at: datetime,
    actor: Person | None,
    facts: Mapping[str, Any],
    kind: str = "",
    **fields: Any,
) -> None:
    """Change a request's state if nobody moved first, with its event. Raises StateConflict."""
    old = AccessRequestState(row.state)
    who = actor.username if actor else "scheduler"
    require_move(ACCESS_REQUEST_MOVES, old, new, who=who)
    fields |= {"state": new.value, "state_since": at}
    if not AccessRequest.objects.filter(pk=row.pk, state=old.value).update(**fields):
        raise StateConflict(f"This access request moved on meanwhile (asked by {who}).")
    for name, value in fields.items():
        setattr(row, name, value)
    record(
        kind or f"access.{new.value}",
        actor=actor.subject if actor else None,
        at=at,
        procedure=row.procedure_id,
        facts={"request": str(row.pk), **facts},
    )
    telling.access_answered(row, at=at)


def gone(row: AccessRequest) -> str:
    """Why nothing can be granted any more, or an empty string."""
    if not row.asker.is_active:
        return "The account of the one who asked was closed."
    if row.procedure is not None and row.procedure.retired_at is not None:
        return f"{row.procedure.name} retired."
    if row.extends is not None and row.extends.revoked_at is not None:
        return "The access that was to be extended was ended."
    return ""


def require_grantable(row: AccessRequest, actor: Person) -> None:
    """Raises NoLongerGrantable, SecondPersonRequired."""
    if why := gone(row):
        raise NoLongerGrantable(why)
    if actor.pk in requests.involved(row):
        raise SecondPersonRequired("You would gain from this access request: somebody else must decide it.")


def change_confirmed(change: ControlChange, *, actor: Person, at: datetime) -> None:
    """The grant of a request is in force: the request is granted. Called in the confirmation's transaction."""
    row = _of(change)
    if row is not None:
        require_grantable(row, actor)
        facts = {"change": str(change.pk), "narrowed": row.narrowed}
        move(row, AccessRequestState.GRANTED, at=at, actor=actor, facts=facts)


def change_refused(change: ControlChange, *, actor: Person, reason: str, at: datetime) -> None:
    """The grant of a request was turned down by its confirmer: the request waits for a manager again."""
    row = _of(change)
    if row is not None:
        facts = {"change": str(change.pk), "reason": reason}
        back: dict[str, Any] = {"change": None, "decided_by": None, "narrowed": []}
        move(row, AccessRequestState.OPEN, at=at, actor=actor, facts=facts, kind="access.reopened", **back)


def _of(change: ControlChange) -> AccessRequest | None:
    if change.control != "grant":
        return None
    rows = AccessRequest.objects.select_for_update()
    return rows.filter(change=change, state=AccessRequestState.PROPOSED.value).first()
