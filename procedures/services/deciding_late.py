"""Reminders of what waits to be decided: at half of its time, and at three quarters everybody who may, whatever they
chose. Each is given once for each asking, however often the sweeper looks.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid5

from django.db import transaction

from procedures.domain.break_glass import REVIEWED_WITHIN
from procedures.domain.decide_by import point, review_by
from procedures.domain.states import RunState, VersionState
from procedures.models import GlassBreak, Person, Reminded, Run, Version
from procedures.queries.pages_shell import decide_by
from procedures.services import telling

MOST = 200


def remind_deciders(*, at: datetime) -> int:
    """One round. Returns how many reminders were given."""
    return _of_runs(at) + _of_versions(at) + _of_glass(at)


def once(kind: str, about: UUID, at: datetime) -> bool:
    """Whether this reminder is still to be given; it counts as given from here on. Call inside a transaction."""
    _, fresh = Reminded.objects.get_or_create(kind=kind, about=about, defaults={"at": at})
    return fresh


def _of_runs(at: datetime) -> int:
    """Runs that wait for an approval, and gates; one that is asked for anew is reminded of anew."""
    waiting = Run.objects.filter(state=RunState.AWAITING_APPROVAL.value, approval_expires_at__gt=at)
    gates = Run.objects.filter(state=RunState.WAITING.value, waiting_until_at__gt=at).exclude(waiting_gate="")
    given = 0
    for run in (waiting | gates).select_related("procedure", "environment", "requester").order_by("id")[:MOST]:
        until = decide_by(run)
        due = point(run.state_since, until, at) if until is not None else ""
        about = uuid5(run.pk, f"{run.plan_digest}/{run.waiting_gate}")
        given += _give(f"approval.{due}", about, at, run, until) if due and until is not None else 0
    return given


def _give(kind: str, about: UUID, at: datetime, run: Run, until: datetime) -> int:
    with transaction.atomic():
        if not once(kind, about, at):
            return 0
        telling.approval_late(kind, run, about, until=until, at=at)
    return 1


def _of_versions(at: datetime) -> int:
    given = 0
    shipped = Person.Kind.SYSTEM  # what came with the product waits until somebody wants it
    rows = Version.objects.filter(state=VersionState.IN_REVIEW.value).exclude(submitter__kind=shipped)
    for version in rows.select_related("procedure", "submitter").order_by("id")[:MOST]:
        due = point(version.submitted_at, review_by(version.submitted_at), at)
        with transaction.atomic():
            if due and once(f"review.{due}", version.pk, at):
                telling.review_late(f"review.{due}", version, until=review_by(version.submitted_at), at=at)
                given += 1
    return given


def _of_glass(at: datetime) -> int:
    """Uses of break-glass whose 72 hours are nearly over."""
    given = 0
    for use in GlassBreak.objects.filter(reviewed_at__isnull=True).select_related("run__procedure", "person")[:MOST]:
        with transaction.atomic():
            late = point(use.at, use.at + REVIEWED_WITHIN, at) == "late"
            if late and once("break_glass.late", use.pk, at):
                telling.glass_unreviewed(use, until=use.at + REVIEWED_WITHIN, at=at)
                given += 1
    return given
