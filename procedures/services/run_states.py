"""The one place where a run's state is written, and where a run is sealed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from procedures.domain import retention
from procedures.domain.states import RUN_MOVES, TERMINAL_RUN_STATES, RunState, StateConflict, require_move
from procedures.evidence.record import record, seal
from procedures.models import Claim, Hold, Run
from procedures.services import following, telling

MAY_GO_ON = frozenset({RunState.INTERRUPTED, RunState.FAILED})
SECRETS_KEPT = timedelta(hours=1)


def move(run: Run, new: RunState, *, at: datetime, who: str, **fields: Any) -> None:
    """Change a run's state if nobody moved first. Raises StateConflict."""
    old = RunState(run.state)
    require_move(RUN_MOVES, old, new, who=who)
    fields |= {"state": new.value, "state_since": at}
    if new in TERMINAL_RUN_STATES:
        fields |= {"ended_at": at, "kept_until_at": retention.until(at, run.kept_days)}
    if not Run.objects.filter(pk=run.pk, state=old.value).update(**fields):
        raise StateConflict(f"Run #{run.no} is no longer {old} (asked by {who}).")
    for name, value in fields.items():
        setattr(run, name, value)


def end(
    run: Run,
    new: RunState,
    *,
    at: datetime,
    actor: UUID | None,
    who: str,
    message: str = "",
    facts: Mapping[str, Any] | None = None,
    statement: bytes | None = None,
) -> None:
    """Move a run to a terminal state and seal it: exactly one seal per run, whatever dies."""
    started = RunState(run.state)
    about: dict[str, Any] = {
        "from": started.value,
        "message": message,
        "digest": run.digest,
        "plan_digest": run.plan_digest,
    }
    if run.printed_bytes or run.marks:
        about |= {"output": run.readable.facts(), "marks": run.marks}
    kind = SEAL_KINDS[new]
    move(run, new, at=at, who=who, message=message, **_secrets_left(run, new, at))
    if started is RunState.RUNNING:  # else nobody has a claim, and who ends the run here may write none
        Claim.objects.filter(run=run).delete()
    Hold.objects.filter(run=run).delete()
    seal(
        run.id,
        kind=kind,
        outcome=new.value,
        risk=run.risk,
        kept_until=retention.until(at, run.kept_days),
        actor=actor,
        at=at,
        procedure=run.procedure_id,
        facts={**about, **(facts or {})},
    )
    if new is not RunState.INTERRUPTED:  # the portal may go on with it by itself: `continuing.after_interruption`
        following.note_followers(run, new, at=at)
    telling.run_ended(run, new, at=at)


def _secrets_left(run: Run, new: RunState, at: datetime) -> dict[str, Any]:
    """What was asked for at the launch is deleted with the ending; of what may go on, an hour later at the latest."""
    if not run.sealed_secrets:
        return {}
    if new in MAY_GO_ON and run.started_at is not None and not run.draft:
        return {"secrets_until_at": at + SECRETS_KEPT}
    return {"sealed_secrets": {}, "secrets_until_at": None}


SEAL_KINDS: dict[RunState, str] = {
    RunState.SUCCEEDED: "run.finished",
    RunState.FAILED: "run.finished",
    RunState.TIMED_OUT: "run.finished",
    RunState.CANCELED: "run.canceled",
    RunState.DENIED: "run.denied",
    RunState.REJECTED: "run.rejected",
    RunState.EXPIRED: "run.expired",
    RunState.INTERRUPTED: "run.interrupted",
}


def note(kind: str, run: Run, *, at: datetime, actor: UUID | None, facts: Mapping[str, Any], **more: Any) -> Any:
    """An evidence event within a run. Returns the event."""
    return record(kind, actor=actor, at=at, run=run.id, procedure=run.procedure_id, facts=facts, **more)
