"""What waits for a person: the counts in the rail, and the lists behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from procedures.access.decision import bounded_rights, live_rights
from procedures.domain.states import RunState, VersionState
from procedures.models import Approval, ControlChange, Person, Run, Stop, Version
from procedures.queries import deciding, deputies, glass, stops
from procedures.queries.access_requests import decidable

MOST = 200
WHOLE = (None, None)  # every procedure in every environment


@dataclass(frozen=True, slots=True)
class Covered:
    """Where a verb holds, as (procedure or None for every, environment or None for every) pairs."""

    pairs: frozenset[tuple[UUID | None, str | None]]

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def has(self, procedure: UUID, environment: str | None = None) -> bool:
        """Whether some pair covers this procedure, and this environment if one is named."""
        return any(p in {None, procedure} and (environment is None or e in {None, environment}) for p, e in self.pairs)


def covered(person: Person, verb: str, at: datetime) -> Covered:
    """Every place where this person holds that verb now, in one query."""
    return Covered(frozenset(live_rights(person, verb, at).values_list("procedure_id", "environment_id")))


def approvable(person: Person, at: datetime) -> list[Run]:
    """Runs and gates that wait for a decision which this person may give and has not given, soonest end first."""
    rights = covered(person, "approve", at)
    if not rights:
        return []
    us = [person, *deputies.stood_in_for(person, "approve", at)]
    waiting = (
        Run.objects.filter(state__in=[RunState.AWAITING_APPROVAL.value, RunState.WAITING.value])
        .exclude(state=RunState.WAITING.value, waiting_gate="")
        .exclude(waiting_form=True)
        .exclude(requester__in=us)
        .exclude(chain__person__in=us)
        .select_related("procedure", "environment", "requester", "version")
        .order_by("id")[:MOST]
    )
    mine = set(Approval.objects.filter(approver=person).values_list("run_id", "gate", "plan_digest"))
    found = [
        run
        for run in waiting
        if rights.has(run.procedure_id, run.environment_id) and (run.id, run.waiting_gate, run.digest_now) not in mine
    ]
    return sorted(found, key=lambda run: (decide_by(run) or at, run.pk))


def decide_by(run: Run) -> datetime | None:
    """By when a waiting run, or its open gate, is to be decided."""
    return run.waiting_until_at if run.waiting_gate else run.approval_expires_at


def reviewable(person: Person, at: datetime) -> list[Version]:
    """Versions in review that this person may decide on and has not decided on, oldest first."""
    rights = covered(person, "review", at)
    if not rights:
        return []
    us = [person, *deputies.stood_in_for(person, "review", at)]
    waiting = (
        Version.objects.filter(state=VersionState.IN_REVIEW.value)
        .exclude(submitter__in=us)
        .exclude(authors__person__in=us)
        .exclude(reviews__reviewer=person, reviews__lifted_at__isnull=True)
        .select_related("procedure", "submitter")
        .order_by("submitted_at")[:MOST]
    )
    return [version for version in waiting if rights.has(version.procedure_id)]


def confirmable(person: Person, at: datetime, reach: deciding.Deciding | None = None) -> list[ControlChange]:
    """Proposed changes that this person may confirm, oldest first; `reach` if it is known already."""
    reach = deciding.reach(person, at=at) if reach is None else reach
    if not reach:
        return []
    waiting = (
        ControlChange.objects.filter(state=ControlChange.State.PROPOSED)
        .exclude(proposer__in=[person, *deputies.stood_in_for(person, "manage_access", at)])
        .select_related("proposer")
        .order_by("proposed_at")[:MOST]
    )
    return [
        change for change in waiting if not _signed(change, person) and reach.decides(change.control, change.object)
    ]


def _signed(change: ControlChange, person: Person) -> bool:
    return any(row["by"] == str(person.subject) for row in change.signatures)


@dataclass(frozen=True, slots=True)
class Shell:
    """What the frame around every page shows."""

    approvals: int
    reviews: int
    changes: int
    requests: int
    manages: bool
    gives: bool
    operates: bool
    audits: bool
    engaged: bool
    glass: int
    stops: list[Stop]

    @property
    def access(self) -> int:
        return self.changes + self.requests

    @property
    def waiting(self) -> int:
        return self.approvals + self.reviews + self.changes + self.requests


def shell_for(person: Person, at: datetime) -> Shell:
    """The counts and doors of the rail for one person who is signed in: it stands around every page.

    Where a verb is held is asked once of each; `manages`, `operates` and `audits` are what `access.decide` says of it.
    """
    reach, audited = deciding.reach(person, at=at), covered(person, "audit", at)
    return Shell(
        approvals=len(approvable(person, at)),
        reviews=len(reviewable(person, at)),
        changes=len(confirmable(person, at, reach)),
        requests=len(decidable(person, at, reach)),
        manages=WHOLE in reach.managed.pairs,
        gives=bool(reach.managed or reach.led),
        operates=any(procedure is None for procedure, _ in reach.operated.pairs),
        audits=WHOLE in audited.pairs,
        engaged=bool(audited) or bounded_rights(person, at).exists(),
        glass=glass.unreviewed(person, at),
        stops=stops.loud(),
    )
