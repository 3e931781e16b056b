"""How the disposable pool takes a trial, tells its result once, and is replaced when it dies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import transaction

from procedures.domain.canonical import canon, sha256_hex
from procedures.domain.errors import InvalidInput
from procedures.domain.states import TRIAL_MOVES, StateConflict, TrialState, require_move
from procedures.evidence.record import record
from procedures.models import Runner, Trial
from procedures.queries.trials import counts
from procedures.services import dispatch
from procedures.services.versions import recomputed
from procedures.trials.suite import HARNESS

log = structlog.get_logger(__name__)
LONGEST = timedelta(minutes=7)
RESEND_AFTER = timedelta(seconds=3)
MOST_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Taken:
    """A trial that this runner now carries out. `token` fences as that of a claim does."""

    trial: UUID
    token: UUID
    files: Mapping[str, bytes]


def _move(row: Trial, new: TrialState, *, at: datetime, who: str, **fields: Any) -> None:
    """The one place where a trial's state is written. Raises StateConflict."""
    old = TrialState(row.state)
    require_move(TRIAL_MOVES, old, new, who=who)
    fields |= {"state": new.value, "state_since": at}
    if not Trial.objects.filter(pk=row.pk, state=old, token=row.token).update(**fields):
        raise StateConflict(f"These tests moved on meanwhile (asked by {who}).")
    for name, value in fields.items():
        setattr(row, name, value)


def take(*, trial: UUID, runner: Runner, at: datetime) -> Taken | None:
    """The trial's bytes, if it still waits, this runner is a disposable one and the bytes are those of the digest."""
    if not runner.disposable or runner.ended_at is not None:
        return None
    with transaction.atomic(durable=True):
        row = Trial.objects.select_for_update(of=("self",)).select_related("version__procedure").get(pk=trial)
        if row.state != TrialState.WAITING:
            return None
        token = uuid4()
        _move(row, TrialState.RUNNING, at=at, who=runner.name, token=token, runner=runner, attempts=row.attempts + 1)
        try:
            _, files, found = recomputed(row.version)
        except InvalidInput as problem:
            found = problem.message
        if found != row.digest:
            _end(row, TrialState.BROKEN, [], runner=runner, at=at, message="The stored bytes are not those submitted.")
            return None
    return Taken(trial, token, files)


def told(*, taken: Taken, results: Sequence[Mapping[str, Any]], runner: Runner, at: datetime) -> None:
    """Keep what was found. A runner that lost the trial meanwhile changes nothing."""
    with transaction.atomic(durable=True):
        row = _held(taken)
        if row is not None:
            fine = all(result["ok"] is True for result in results)
            _end(row, TrialState.PASSED if fine else TrialState.FAILED, results, runner=runner, at=at)


def gave_up(*, taken: Taken, why: str, runner: Runner, at: datetime) -> None:
    """The pool has no cell to run these tests in: once more, then it is said."""
    with transaction.atomic(durable=True):
        row = _held(taken)
        if row is not None:
            _once_more(row, why, at)


def _held(taken: Taken) -> Trial | None:
    rows = Trial.objects.select_for_update(of=("self",)).select_related("version__procedure")
    return rows.filter(pk=taken.trial, token=taken.token, state=TrialState.RUNNING.value).first()


def _once_more(row: Trial, why: str, at: datetime) -> None:
    if row.attempts < MOST_ATTEMPTS:
        _move(row, TrialState.WAITING, at=at, who="sweeper", token=None)
    else:
        _end(row, TrialState.BROKEN, [], runner=row.runner, at=at, message=why)


def _end(
    row: Trial,
    new: TrialState,
    results: Sequence[Mapping[str, Any]],
    *,
    runner: Runner | None,
    at: datetime,
    message: str = "",
) -> None:
    kept = [dict(result) for result in results]
    tier = runner.tier if runner else ""
    software = f"{settings.OPSPORTAL_VERSION}/{HARNESS}"
    _move(
        row,
        new,
        at=at,
        who="pool",
        ended_at=at,
        results=kept,
        message=message,
        tier=tier,
        software=software,
        token=None,
    )
    plain = [{**result, "seconds": str(result["seconds"])} for result in kept]
    record(
        "version.tested",
        actor=row.asked_by.subject if row.asked_by else None,
        at=at,
        procedure=row.version.procedure_id,
        facts={
            "version": str(row.version_id),
            "digest": row.digest,
            "trial": str(row.id),
            "state": new.value,
            **counts(kept),
            "results": "sha256:" + sha256_hex(canon(plain)),
            "tests": [{"test": result["test"], "ok": result["ok"]} for result in kept],
            "runner": str(runner.id) if runner else "",
            "tier": tier,
            "software": software,
            "message": message,
        },
    )


def let_go(*, runner: Runner, at: datetime) -> int:
    """At a pool's start: what its former life left running waits again. Returns how many."""
    return _replaced(Trial.objects.filter(runner=runner).values_list("pk", flat=True), "The pool ended.", at)


def sweep_trials(*, at: datetime) -> int:
    """Trials of a pool that is silent or far too slow get another go; those that wait are sent again."""
    silent = at - timedelta(seconds=settings.OPSPORTAL_HEARTBEAT_LOST_S)
    running = Trial.objects.filter(state=TrialState.RUNNING.value)
    lost = running.filter(runner__heartbeat_at__lt=silent, state_since__lt=silent)
    slow = running.filter(state_since__lt=at - LONGEST)
    done = _replaced((lost | slow).values_list("pk", flat=True), "The disposable pool ended twice.", at)
    waiting = Trial.objects.filter(state=TrialState.WAITING.value, state_since__lt=at - RESEND_AFTER)
    for trial in waiting.order_by("id").values_list("pk", flat=True)[:50]:
        if not dispatch.nudge_tests(trial):
            break
    return done


def _replaced(trials: Any, why: str, at: datetime) -> int:
    done = 0
    for pk in list(trials):
        with transaction.atomic(durable=True):
            row = (
                Trial.objects.select_for_update(of=("self",)).select_related("version__procedure", "runner").get(pk=pk)
            )
            if row.state == TrialState.RUNNING:
                _once_more(row, why, at)
                done += 1
    return done
