"""A proposed change that is closed without effect: refused, or fallen with what it was proposed for."""

from __future__ import annotations

from datetime import datetime

from procedures.domain.errors import IllegalState
from procedures.evidence.record import record
from procedures.models import ControlChange, Person


class NothingToConfirm(IllegalState):
    """The change was already confirmed or refused."""

    code = "control.already-decided"
    next_step = "Look at the list of proposed changes."


def turn_down(row: ControlChange, *, actor: Person | None, reason: str, at: datetime) -> None:
    """Close a proposed change, in its caller's transaction; `actor` None is the sweeper."""
    row.state, row.decided_at = ControlChange.State.REFUSED, at
    row.save(update_fields=["state", "decided_at"])
    record(
        "control.refused",
        actor=actor.subject if actor else None,
        at=at,
        facts={"control": row.control, "change": str(row.pk), "reason": reason[:2000]},
    )
