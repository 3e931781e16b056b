"""The tables of states (decisions.md, 8 and 9). Database constraints are built from them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from procedures.domain.errors import IllegalState


class RunState(StrEnum):
    REQUESTED = "requested"
    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    DENIED = "denied"
    REJECTED = "rejected"
    EXPIRED = "expired"
    INTERRUPTED = "interrupted"


class TaskState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"


class TrialState(StrEnum):
    """How one go of a version's own tests stands: `none` has no tests, `broken` found no cell to run them in."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    NONE = "none"
    BROKEN = "broken"


class VersionState(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


S = TypeVar("S", bound=StrEnum)
R, T, V = RunState, TaskState, VersionState

RUN_MOVES: dict[RunState, frozenset[RunState]] = {
    R.REQUESTED: frozenset({R.PLANNING, R.AWAITING_APPROVAL, R.QUEUED, R.DENIED}),
    R.PLANNING: frozenset({R.AWAITING_APPROVAL, R.QUEUED, R.DENIED, R.FAILED, R.CANCELED, R.TIMED_OUT, R.INTERRUPTED}),
    R.AWAITING_APPROVAL: frozenset({R.QUEUED, R.REJECTED, R.EXPIRED, R.DENIED, R.CANCELED}),
    R.QUEUED: frozenset({R.RUNNING, R.AWAITING_APPROVAL, R.DENIED, R.EXPIRED, R.CANCELED}),
    R.RUNNING: frozenset({R.WAITING, R.SUCCEEDED, R.FAILED, R.TIMED_OUT, R.CANCELED, R.INTERRUPTED}),
    R.WAITING: frozenset({R.QUEUED, R.FAILED, R.TIMED_OUT, R.CANCELED}),
}
TERMINAL_RUN_STATES = frozenset(set(RunState) - set(RUN_MOVES))

TASK_MOVES: dict[TaskState, frozenset[TaskState]] = {
    T.PENDING: frozenset({T.RUNNING, T.SKIPPED, T.CANCELED, T.INTERRUPTED}),
    T.RUNNING: frozenset({T.SUCCEEDED, T.FAILED, T.TIMED_OUT, T.CANCELED, T.UNREACHABLE, T.INTERRUPTED}),
}
TERMINAL_TASK_STATES = frozenset(set(TaskState) - set(TASK_MOVES))

TRIAL_MOVES: dict[TrialState, frozenset[TrialState]] = {
    TrialState.WAITING: frozenset({TrialState.RUNNING, TrialState.BROKEN}),
    TrialState.RUNNING: frozenset({TrialState.WAITING, TrialState.PASSED, TrialState.FAILED, TrialState.BROKEN}),
}
ENDED_TRIALS = frozenset(set(TrialState) - set(TRIAL_MOVES))

VERSION_MOVES: dict[VersionState, frozenset[VersionState]] = {
    V.DRAFT: frozenset({V.WITHDRAWN}),
    V.IN_REVIEW: frozenset({V.ACCEPTED, V.REJECTED, V.WITHDRAWN}),
    V.ACCEPTED: frozenset({V.SUPERSEDED, V.REVOKED, V.EXPIRED}),
    V.SUPERSEDED: frozenset({V.REVOKED, V.EXPIRED}),
}


class StateConflict(IllegalState):
    """Somebody else moved first, or the change is not in the table."""

    code = "state.conflict"


def require_move(table: Mapping[S, frozenset[S]], old: S, new: S, *, who: str) -> None:
    """Raise StateConflict unless `table` knows the change; the message names state, change and who asked."""
    if new not in table.get(old, frozenset()):
        raise StateConflict(f"{type(old).__name__} {old} cannot become {new} (asked by {who}).")
