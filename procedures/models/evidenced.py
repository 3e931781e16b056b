"""What no row may become without the event that says so, as data: the database's own triggers are made from it.

A rule holds for what one column of a table becomes, or for any change of the row. An event pays for a change if it
stands in the same transaction, is of a kind that brings about just this, and names this very row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from procedures.domain import results
from procedures.domain.access_requests import AccessRequestState
from procedures.domain.campaigns import CampaignState, ItemDecision
from procedures.domain.states import RunState, TaskState, TrialState, VersionState
from procedures.models.access import ControlChange
from procedures.models.batches import StepBatch
from procedures.models.runs import LeaseRecord

Kinds = tuple[str, ...]  # of events: whole names, or families, which end in a dot
RUN = "run"  # not a fact of the body but the run that an event belongs to


@dataclass(frozen=True, slots=True)
class Rule:
    """`kinds`: what may stand for a change, by what `column` becomes, or for all that the row becomes.

    `names`: pairs of a fact of the event (or RUN) and the column of the row that it must equal; one of them must.
    None at all where the events name something else. `watched` columns change with evidence; all, where there are none.
    """

    table: str
    kinds: Kinds | Mapping[str, Kinds]
    names: tuple[tuple[str, str], ...] = ()
    watched: tuple[str, ...] = ()
    free: Mapping[str, str] = field(default_factory=dict)  # what it may become by itself: the reason

    @property
    def column(self) -> str:
        """The column of states; empty where the rule is the same whatever it becomes."""
        return self.watched[0] if isinstance(self.kinds, Mapping) else ""

    def by_value(self) -> Mapping[str, Kinds]:
        return self.kinds if isinstance(self.kinds, Mapping) else {"": self.kinds}

    def every_kind(self) -> Kinds:
        return tuple(sorted({kind for kinds in self.by_value().values() for kind in kinds}))


R, T, V, A, D = RunState, TaskState, VersionState, AccessRequestState, ItemDecision
ENDED = ("task.finished",)
BATCH, LEASE, CHANGE = StepBatch.State, LeaseRecord.State, ControlChange.State
STATES = ("state",)
RULES: tuple[Rule, ...] = (
    Rule(
        "procedures_run",
        {
            R.REQUESTED: ("run.requested",),
            R.PLANNING: ("run.planned",),
            R.AWAITING_APPROVAL: ("run.awaiting_approval",),
            R.QUEUED: ("run.queued",),
            R.RUNNING: ("run.claimed",),
            R.WAITING: ("run.waiting", "run.paused"),
            R.SUCCEEDED: ("run.finished",),
            R.FAILED: ("run.finished",),
            R.TIMED_OUT: ("run.finished",),
            R.CANCELED: ("run.canceled",),
            R.DENIED: ("run.denied",),
            R.REJECTED: ("run.rejected",),
            R.EXPIRED: ("run.expired",),
            R.INTERRUPTED: ("run.interrupted",),
        },
        ((RUN, "id"),),
        STATES,
    ),
    Rule(
        "procedures_task",
        {
            T.RUNNING: ("step.intent",),
            T.SUCCEEDED: ENDED,
            T.FAILED: ENDED,
            T.TIMED_OUT: ENDED,
            T.CANCELED: ENDED,
            T.UNREACHABLE: ENDED,
            T.INTERRUPTED: ("task.interrupted", *ENDED),
            T.SKIPPED: ("task.skipped", "run.claimed"),  # what a run carries over is skipped as it is claimed
        },
        (("task", "id"), (RUN, "run_id")),
        STATES,
        {T.PENDING: "nothing was done and nothing was meant to be"},
    ),
    Rule(
        "procedures_version",
        {
            V.DRAFT: ("version.drafted",),
            V.IN_REVIEW: ("version.submitted",),
            V.ACCEPTED: ("version.accepted",),
            V.REJECTED: ("version.rejected",),
            V.SUPERSEDED: ("version.superseded",),
            V.REVOKED: ("version.revoked",),
            V.EXPIRED: ("version.expired",),
            V.WITHDRAWN: ("version.withdrawn",),
        },
        (("version", "id"),),
        STATES,
    ),
    Rule(
        "procedures_trial",
        dict.fromkeys((TrialState.PASSED, TrialState.FAILED, TrialState.BROKEN), ("version.tested",)),
        (("trial", "id"),),
        STATES,
        {
            TrialState.WAITING: "a place in a queue, which says nothing of the version",
            TrialState.RUNNING: "a pool has it in hand, which says nothing of the version",
            TrialState.NONE: "there is nothing to try; the version's own event lists its files",
        },
    ),
    Rule(
        "procedures_controlchange",
        {
            CHANGE.PROPOSED: ("control.proposed", "control.confirmed"),  # one person may be enough
            CHANGE.CONFIRMED: ("control.confirmed",),
            CHANGE.REFUSED: ("control.refused",),
        },
        (("change", "id"),),
        STATES,
    ),
    Rule(
        "procedures_accessrequest",
        {
            A.OPEN: ("access.asked", "access.reopened"),
            A.PROPOSED: ("access.proposed",),
            A.GRANTED: ("access.granted",),
            A.REFUSED: ("access.refused",),
            A.WITHDRAWN: ("access.withdrawn",),
            A.LAPSED: ("access.lapsed",),
        },
        (("request", "id"),),
        STATES,
    ),
    Rule(
        "procedures_campaign",
        {CampaignState.OPEN: ("campaign.opened",), CampaignState.CLOSED: ("campaign.closed",)},
        (("campaign", "id"),),
        STATES,
    ),
    Rule(
        "procedures_campaignitem",
        {
            **dict.fromkeys((D.KEEP, D.NARROW, D.REVOKE), ("campaign.decided",)),
            D.LAPSED: ("campaign.lapsed",),
        },
        (("campaign", "campaign_id"),),
        ("decision",),
        {
            D.UNDECIDED: "the campaign's opening lists its items",
            D.ENDED: "its grant had ended with an event of its own; the campaign's closing lists it",
        },
    ),
    Rule(
        "procedures_leaserecord",
        {LEASE.INTENT: ("lease.intent",), LEASE.ISSUED: ("lease.issued",), LEASE.REVOKED: ("lease.revoked",)},
        (("lease", "id"),),
        STATES,
    ),
    Rule(
        "procedures_stepbatch",
        {BATCH.OPEN: ("step.handed_out", "batch.lost")},
        ((RUN, "run_id"),),
        STATES,
        {
            BATCH.TAKEN: "whoever drives the run takes its own without a word; a helper's taking is `batch.taken`",
            BATCH.DONE: "each of its tasks ended with an event of its own",
        },
    ),
    Rule(
        "procedures_secretresult",
        {
            results.KEPT: ("result.kept",),
            results.SENDING: ("result.sending",),
            results.DELIVERED: ("result.delivered",),
            results.UNDELIVERED: ("result.undelivered",),
            results.TAKEN: ("result.picked_up",),
            results.EXPIRED: ("result.expired",),
            results.ERASED: ("result.erased",),
        },
        (("result", "id"),),
        STATES,
    ),
    Rule("procedures_review", ("review.made", "review.lifted"), (("version", "version_id"),)),
    Rule("procedures_reviewcomment", ("review.", "control.")),
    Rule("procedures_runcomment", ("run.commented", "control.")),
    Rule("procedures_gateanswer", ("run.answered",), ((RUN, "run_id"),)),
    Rule("procedures_deputy", ("deputy.",), (("deputyship", "id"),), ("ended_at", "agreed_at")),
    Rule("procedures_decisionasked", ("decision.",)),
    Rule(
        "procedures_grant", ("control.", "campaign.", "bootstrap.", "genesis", "person.closed"), watched=("revoked_at",)
    ),
    Rule("procedures_approval", ("run.",), ((RUN, "run_id"), (RUN, "carried_to_id")), ("used_at",)),
    Rule("procedures_preapproval", ("standing.",)),
    Rule("procedures_preapprovaluse", ("run.",), ((RUN, "run_id"),)),
    Rule("procedures_glassbreak", ("break_glass.",), (("use", "id"),), ("reviewed_at",)),
    Rule(
        "procedures_artifact",
        ("task.finished", "artifact.erased"),
        (("task", "task_id"), ("artifact", "id")),
        ("erased_at",),
    ),
    Rule("procedures_legalhold", ("control.",)),
    Rule("procedures_purge", ("control.confirmed",), (("change", "change"),), ("change",)),
    Rule("procedures_policy", ("control.",)),
    Rule("procedures_policydecision", ("policy.", "run.")),
)
BY_TABLE = {rule.table: rule for rule in RULES}
