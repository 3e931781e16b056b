"""A run has ended: schedules that follow it are due, in the same transaction, once for each run.

An interruption that the portal goes on from by itself is no end: what counts is how the run that went on last ended.
"""

from __future__ import annotations

from datetime import datetime

from procedures.domain.standing import SCHEDULE
from procedures.domain.states import RunState
from procedures.models import Fire, Run, Standing

NEVER_BEGAN = frozenset({RunState.DENIED, RunState.REJECTED, RunState.EXPIRED})


def note_followers(run: Run, state: RunState, *, at: datetime) -> None:
    """Write down what is due now because this run ended so. Drafts and runs of before a schedule set nothing off.

    One that was to go on with an interrupted run and never began leaves the work interrupted.
    """
    if run.draft:
        return
    if state in NEVER_BEGAN and run.continues is not None and run.continues.state == RunState.INTERRUPTED:
        note_followers(run.continues, RunState.INTERRUPTED, at=at)
    rows = Standing.objects.filter(after=run.procedure_id, environment=run.environment_id, kind=SCHEDULE)
    rows = rows.filter(ended_at__isnull=True, paused_at__isnull=True, expires_at__gt=at, set_at__lte=run.requested_at)
    due = [row for row in rows if state.value in row.object["when"]["outcomes"]]
    Fire.objects.bulk_create(
        [Fire(standing=row, followed=run, planned_at=at, at=at, outcome="waiting") for row in due],
        ignore_conflicts=True,
    )
