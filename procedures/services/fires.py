"""Schedules fire: once for each planned moment, whatever number of sweepers run and whatever dies.

The row of a moment is unique, and written in the transaction of the request that comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from procedures.domain import planned, standing
from procedures.domain.canonical import moment
from procedures.domain.errors import OpsError
from procedures.domain.states import RunState
from procedures.models import Fire, Person, Run, Standing
from procedures.queries import ahead, stops
from procedures.queries.standing import behind, locked, under_way
from procedures.services import runs, standing_states, telling_standing
from procedures.services.portal import profile_in_force

AT_ONCE = 100


class NothingRuns(OpsError):
    """The place is stopped or frozen, or too many schedules follow each other."""

    code = "standing.nothing-runs"
    next_step = "Wait until the environment is open again; the schedule goes on by itself."


def fire_due(*, at: datetime) -> int:
    """Ask for what is due by now; how many moments were dealt with."""
    rows = Standing.objects.filter(
        kind=standing.SCHEDULE, next_at__lte=at, ended_at__isnull=True, paused_at__isnull=True
    )
    done = sum(_once(_planned, pk, at) for pk in rows.order_by("next_at").values_list("pk", flat=True)[:AT_ONCE])
    waiting = Fire.objects.filter(outcome="waiting").order_by("at").values_list("pk", flat=True)
    return done + sum(_once(_waiting, pk, at) for pk in waiting[:AT_ONCE])


def _once(act: Any, pk: UUID, at: datetime) -> int:
    """One in a transaction of its own; what another sweeper did meanwhile is done."""
    try:
        with transaction.atomic(durable=True):
            return int(act(pk, at))
    except IntegrityError:
        return 0


def _planned(pk: UUID, at: datetime) -> int:
    row = locked(pk)
    if row.next_at is None or row.next_at > at or row.ended_at is not None or row.paused_at is not None:
        return 0
    when = row.object["when"]
    due = [one for one in planned.due(when, row.next_at, at) if one < row.expires_at]
    later = planned.next_time(when, at)
    row.next_at = later if later is not None and later < row.expires_at else None
    row.save(update_fields=["next_at"])
    if not due:
        return 0
    *before, last = due
    if Fire.objects.filter(standing=row, planned_at=last, followed__isnull=True).exists():
        return 0  # a clock that was moved back, or a change that set it anew, plans nothing twice
    fire = Fire.objects.create(standing=row, planned_at=last, at=at, outcome="waiting", missed=len(before))
    late = at - last > standing.LATE_AFTER
    if before or late:
        _missed(row, fire, due if late else before, at)
    if late and row.object["late"] == "skip":
        settle(fire, "missed", "The portal was not there in time.")
    else:
        _attempt(row, fire, at)
    return 1


def _missed(row: Standing, fire: Fire, moments: list[datetime], at: datetime) -> None:
    """Evidence and a notice of moments for which nobody was there."""
    facts = {
        "first": moment(moments[0]),
        "last": moment(moments[-1]),
        "count": len(moments),
        "late": row.object["late"],
    }
    standing_states.note("standing.missed", row, at=at, actor=None, facts=facts)
    telling_standing.missed(row, fire, moments, at=at)


def _waiting(pk: UUID, at: datetime) -> int:
    """One that waits: for the run before it, or since another procedure's run ended."""
    row = locked(Fire.objects.values_list("standing", flat=True).get(pk=pk))
    fire = Fire.objects.get(pk=pk)
    if fire.outcome != "waiting":
        return 0
    if row.ended_at is not None or row.paused_at is not None or row.expires_at <= at:
        settle(fire, "skipped", "It stood no more, or was paused.")
        return 1
    if not fire.why and at - fire.at > standing.LATE_AFTER:
        _missed(row, fire, [fire.planned_at], at)
        if row.object["late"] == "skip":
            settle(fire, "missed", "The portal was not there in time.")
            return 1
    return _attempt(row, fire, at)


def _attempt(row: Standing, fire: Fire, at: datetime) -> int:
    """Ask for the run, unless the one before is under way: then as the schedule says. 0 if it goes on waiting."""
    before = under_way(row)
    if before is None:
        ask(row, fire, dict(row.object["parameters"]), at)
        return 1
    queued = Fire.objects.filter(standing=row, outcome="waiting").exclude(pk=fire.pk)
    if row.object["overlap"] == "queue" and not queued.exists():
        why = f"Waits for run #{before.no}."
        if fire.why != why:
            settle(fire, "waiting", why)
        return 0
    also = "" if row.object["overlap"] == "skip" else ", and another waits already"
    is_so = "is still under way" if before.ended_at is None else "was interrupted and goes on by itself"
    settle(fire, "skipped", f"Run #{before.no} {is_so}{also}.")
    return 1


def ask(row: Standing, fire: Fire, parameters: Mapping[str, Any], at: datetime) -> Run | None:
    """Ask for the run of a fire by the account, or write down why not. Call inside a transaction."""
    try:
        with transaction.atomic():
            _open(row, fire, at)
            wish, facts = wish_of(row, parameters, fire), _facts(row, fire)
            run = runs.asked(actor=row.account, wish=wish, at=at, chain=_chain(row, fire), facts=facts)
    except OpsError as problem:
        refuse(row, fire, problem, at)
        return None
    fire.run = run
    why = ahead.why_waits(run, at) if run.state == RunState.AWAITING_APPROVAL else ""
    settle(fire, "asked", why or fire.why)
    if why:
        telling_standing.waits(row, run, at=at)
    Standing.objects.filter(pk=row.pk).update(refusals=0)
    return run


def wish_of(row: Standing, parameters: Mapping[str, Any], fire: Fire | None = None) -> runs.Wish:
    """What the account of a schedule or hook asks for."""
    return runs.Wish(
        procedure=row.procedure.name,
        environment=row.environment_id,
        parameters=parameters,
        targets=row.object["targets"],
        reason=row.object["reason"],
        digest=row.object["digest"],
        door=row.kind,
        of_fire=fire,
    )


def _open(row: Standing, fire: Fire, at: datetime) -> None:
    where = row.environment
    if (halted := stops.of_place(where.name, row.procedure_id)) is not None:
        raise NothingRuns(f"{halted.what} is stopped.")
    if where.frozen_until_at is not None and where.frozen_until_at > at:
        raise NothingRuns(f"{where.name} is frozen until {where.frozen_until_at:%Y-%m-%d %H:%M} UTC.")
    if not row.edited_by.is_active:
        raise NothingRuns(f"{row.edited_by.username}, who set it last, has left: somebody else sets it anew.")
    if _depth(fire) > standing.DEPTH:
        raise NothingRuns(f"More than {standing.DEPTH} schedules follow each other.")


def _depth(fire: Fire | None) -> int:
    """How many schedules, one after another, led to this."""
    depth = 0
    while fire is not None and fire.followed is not None and depth <= standing.DEPTH:
        depth += 1
        fire = fire.followed.of_fire
    return depth


def _chain(row: Standing, fire: Fire) -> list[tuple[Person, str]]:
    """Who stands behind it, and behind the run that it follows: whoever sets a run off by proxy approves none."""
    chain = behind(row, profile=profile_in_force())
    if fire.followed is not None:
        links = fire.followed.chain.select_related("person")
        chain += [(link.person, "trigger") for link in links if link.person.kind == Person.Kind.PERSON]
    return list(dict.fromkeys(chain))


def _facts(row: Standing, fire: Fire) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": row.kind, "name": row.name, "change": str(row.change), "fire": str(fire.pk)}
    if fire.mark:
        said |= {"delivery": fire.mark, "body_sha256": fire.body_sha256, **fire.proof}
    elif fire.followed is not None:
        said["followed"] = str(fire.followed_id)
    else:
        said["planned_at"] = moment(fire.planned_at)
    return {"standing": said}


def refuse(row: Standing, fire: Fire, problem: OpsError, at: datetime) -> None:
    """Evidence, a notice to its owner, and a count: after five in a row, or for another digest, it pauses itself."""
    settle(fire, "refused", problem.message)
    count = row.refusals + 1
    Standing.objects.filter(pk=row.pk).update(refusals=count)
    facts = {"fire": str(fire.pk), "code": problem.code, "why": problem.message[:500], "in_a_row": count}
    standing_states.note("standing.refused", row, at=at, actor=None, facts=facts)
    telling_standing.refused(row, fire, problem, at=at)
    if isinstance(problem, runs.NotRunnable):
        standing_states.stop(row, "Its version is not the accepted one any more: set it anew.", at=at)
    elif count >= standing.REFUSALS:
        standing_states.stop(row, f"It was refused {count} times in a row: {problem.message}", at=at)


def settle(fire: Fire, outcome: str, why: str) -> None:
    fire.outcome, fire.why = outcome, why[:500]
    fire.save(update_fields=["outcome", "why", "run"])
