"""Schedules and hooks are paused and resumed here alone: by whoever stands behind them, operators, or by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain import planned
from procedures.domain.errors import IllegalState, NotAllowed
from procedures.evidence.record import record
from procedures.models import Fire, Person, Standing
from procedures.queries.standing import locked, may_steer, one_seen
from procedures.services import telling_standing
from procedures.services.unit import thing


class AlreadySo(IllegalState):
    """It is paused already, was not, or has ended."""

    code = "standing.already-so"
    next_step = "Look at its page."


@thing
def pause(*, actor: Person, kind: str, name: str, reason: str, at: datetime) -> Standing:
    """From this instant it asks for nothing. By a token too, since it only takes away. Raises NotAllowed, NotFound."""
    row = _steered(actor, kind, name, at)
    if row.paused_at is not None or row.ended_at is not None:
        raise AlreadySo(f"{name} is paused already, or has ended.")
    _pause(row, reason, at=at, actor=actor)
    return row


@thing
def resume(*, actor: Person, kind: str, name: str, reason: str, at: datetime, bearer: bool = False) -> Standing:
    """It asks again, from its next planned moment on: what came up meanwhile is not made up for.

    Raises NotAllowed, NotFound, AlreadySo.
    """
    if bearer:
        raise NotAllowed("A bearer token resumes nothing: sign in for that.")
    row = _steered(actor, kind, name, at)
    if row.paused_at is None or row.ended_at is not None:
        raise AlreadySo(f"{name} is not paused, or has ended.")
    if not row.edited_by.is_active:
        raise NotAllowed(f"{row.edited_by.username}, who set it last, has left: set it anew in your own name.")
    later = planned.next_time(row.object.get("when", {}), at)
    row.next_at = later if later is not None and later < row.expires_at else None
    row.paused_at, row.paused_why, row.refusals = None, "", 0
    row.save(update_fields=["next_at", "paused_at", "paused_why", "refusals"])
    note("standing.resumed", row, at=at, actor=actor.subject, facts={"reason": reason[:300]})
    return row


def _steered(actor: Person, kind: str, name: str, at: datetime) -> Standing:
    row = one_seen(actor, kind, name, at)
    if not may_steer(actor, row, at):
        raise NotAllowed(f"Whoever stands behind {name}, or operates {row.environment_id}, pauses and resumes it.")
    return locked(row.pk)


def stop(row: Standing, why: str, *, at: datetime) -> None:
    """It pauses itself, and says so to whoever stands behind it. Call inside a transaction."""
    _pause(row, why, at=at, actor=None)
    telling_standing.paused(row, why, at=at)


def _pause(row: Standing, why: str, *, at: datetime, actor: Person | None) -> None:
    Standing.objects.filter(pk=row.pk).update(paused_at=at, paused_why=why[:300])
    row.paused_at, row.paused_why = at, why[:300]
    Fire.objects.filter(standing=row, outcome="waiting").update(outcome="skipped", why="It was paused.")
    note("standing.paused", row, at=at, actor=actor.subject if actor else None, facts={"reason": why[:300]})


def pause_of_leaver(person: Person, *, at: datetime) -> list[str]:
    """What a leaver set last, owns the account of, or holds a key of, pauses; managers are told. In a transaction."""
    held = Standing.objects.select_for_update(of=("self",), no_key=True).filter(ended_at__isnull=True)
    rows = list(held.select_related("account").order_by("pk"))
    mine = [row for row in rows if person.pk in {row.edited_by_id, row.account.owner_id, row.secret_holder_id}]
    subject = str(person.subject)
    mine += [row for row in rows if any(one["holder"] == subject for one in row.object.get("keys", ()))]
    found = {row.pk: row for row in mine}
    for row in found.values():
        if row.paused_at is None:
            _pause(row, f"{person.username} left: somebody else sets it anew.", at=at, actor=None)
        telling_standing.orphaned(row, person, at=at)
    return sorted(f"{row.kind} {row.name}" for row in found.values())


def note(kind: str, row: Standing, *, at: datetime, actor: UUID | None, facts: Mapping[str, Any]) -> None:
    """An event about a schedule or hook."""
    about = {"standing": row.kind, "name": row.name, "change": str(row.change), "environment": row.environment_id}
    record(kind, actor=actor, at=at, procedure=row.procedure_id, facts={**about, **facts})
