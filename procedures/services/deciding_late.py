"""Reminders of what waits to be decided: at half of its time, and at three quarters everybody who may, whatever they
chose, and whoever could help. Each is given once for each asking, however often the sweeper looks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models.functions import Coalesce

from procedures.domain.access_requests import AccessRequestState
from procedures.domain.break_glass import REVIEWED_WITHIN
from procedures.domain.campaigns import CampaignState
from procedures.domain.decide_by import REVIEW_WITHIN, point, review_by
from procedures.domain.states import RunState, VersionState
from procedures.models import AccessRequest, Campaign, ControlChange, GlassBreak, Person, Reminded, Run, Version
from procedures.queries.access_requests import JOINED
from procedures.queries.pages_shell import decide_by
from procedures.services import telling_late
from procedures.services.control_gains import who_gains

MOST = 200
SHIPPED = Person.Kind.SYSTEM  # what came with the product waits until somebody wants it


def remind_deciders(*, at: datetime) -> int:
    """One round. Returns how many reminders were given."""
    return sum(part(at) for part in (_of_runs, _of_versions, _of_glass, _of_changes, _of_requests, _of_campaigns))


def once(kind: str, about: UUID, at: datetime) -> bool:
    """Whether this reminder is still to be given; it counts as given from here on. Call inside a transaction."""
    _, fresh = Reminded.objects.get_or_create(kind=kind, about=about, defaults={"at": at})
    return fresh


def _give(what: str, about: UUID, since: datetime, until: datetime, at: datetime, tell: Callable[[str], None]) -> int:
    """The reminder that is due of this, if any and not given; the last call makes the first of no use."""
    due = point(since, until, at)
    if not due:
        return 0
    with transaction.atomic():
        if not once(f"{what}.{due}", about, at):
            return 0
        if due == "late":
            once(f"{what}.reminder", about, at)
        tell(f"{what}.{due}")
    return 1


def _of_runs(at: datetime) -> int:
    """Runs that wait for an approval, and gates; one that is asked for anew is reminded of anew."""
    waiting = Run.objects.filter(state=RunState.AWAITING_APPROVAL.value, approval_expires_at__gt=at)
    gates = (
        Run.objects.filter(state=RunState.WAITING.value, waiting_until_at__gt=at)
        .exclude(waiting_gate="")
        .exclude(waiting_form=True)
    )
    rows = (waiting | gates).select_related("procedure", "environment", "requester")
    given = 0
    for run in rows.order_by(Coalesce("waiting_until_at", "approval_expires_at"), "id")[:MOST]:
        if (until := decide_by(run)) is not None:
            about = uuid5(run.pk, f"{run.plan_digest}/{run.waiting_gate}")
            tell = telling_late.approval(run, about, until=until, at=at)
            given += _give("approval", about, run.state_since, until, at, tell)
    return given


def _of_versions(at: datetime) -> int:
    rows = Version.objects.filter(state=VersionState.IN_REVIEW.value).exclude(submitter__kind=SHIPPED)
    given = 0
    for row in rows.filter(submitted_at__gt=at - REVIEW_WITHIN).select_related("procedure", "submitter")[:MOST]:
        until = review_by(row.submitted_at)
        tell = telling_late.review(row, until=until, at=at)
        given += _give("review", row.pk, row.submitted_at, until, at, tell)
    return given


def _of_changes(at: datetime) -> int:
    """Proposed changes of what decides authority: as long as a review."""
    rows = ControlChange.objects.filter(state=ControlChange.State.PROPOSED).exclude(proposer__kind=SHIPPED)
    given = 0
    for row in rows.filter(proposed_at__gt=at - REVIEW_WITHIN).select_related("proposer")[:MOST]:
        until = review_by(row.proposed_at)
        tell = telling_late.change(row, who_gains(row.control, row.object, at=at), until=until, at=at)
        given += _give("change", row.pk, row.proposed_at, until, at, tell)
    return given


def _of_requests(at: datetime) -> int:
    rows = AccessRequest.objects.filter(state=AccessRequestState.OPEN.value, lapses_at__gt=at)
    return sum(
        _give("access", row.pk, row.asked_at, row.lapses_at, at, telling_late.access(row, at=at))
        for row in rows.select_related(*JOINED).order_by("lapses_at")[:MOST]
    )


def _of_campaigns(at: datetime) -> int:
    rows = Campaign.objects.filter(state=CampaignState.OPEN.value, due_at__gt=at, items__decision="").distinct()
    return sum(
        _give("campaign", row.pk, row.opened_at, row.due_at, at, telling_late.campaign(row, at=at))
        for row in rows.order_by("due_at")[:MOST]
    )


def _of_glass(at: datetime) -> int:
    """Uses of break-glass whose 72 hours are nearly over."""
    given = 0
    for use in GlassBreak.objects.filter(reviewed_at__isnull=True).select_related("run__procedure", "person")[:MOST]:
        with transaction.atomic():
            late = point(use.at, use.at + REVIEWED_WITHIN, at) == "late"
            if late and once("break_glass.late", use.pk, at):
                telling_late.glass(use, until=use.at + REVIEWED_WITHIN, at=at)
                given += 1
    return given
