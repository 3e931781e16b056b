"""Approvals given ahead for runs of a schedule, and each run that one of them let go."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ahead import MOST_RUNS
from procedures.domain.ids import uuid7
from procedures.models.people import Person
from procedures.models.runs import Run
from procedures.models.standing import Standing


class PreApproval(models.Model):
    """One person's approval of `runs` runs of a schedule as one change set it (H24). It counts for no other change.

    `plan` holds the canonical bytes of what each run would do, `plan_digest` is their digest, and what a run's own plan
    is held against; `statement` are the bytes that were signed. Only an end can be written later.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    standing = models.ForeignKey(Standing, on_delete=models.PROTECT, related_name="pre_approvals")
    change = models.UUIDField()
    approver = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    duties = models.JSONField(default=list)
    comment = models.TextField(blank=True)
    plan = models.BinaryField()
    plan_digest = models.CharField(max_length=71)
    runs = models.PositiveIntegerField()
    nonce = models.CharField(max_length=64, unique=True)
    statement = models.BinaryField()
    signatures = models.JSONField(default=list)
    event = models.UUIDField()
    at = models.DateTimeField()
    not_after_at = models.DateTimeField()
    taken_back_at = models.DateTimeField(null=True)
    taken_back_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    taken_back_why = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-at", "-id")
        constraints = [
            models.CheckConstraint(condition=Q(runs__gte=1, runs__lte=MOST_RUNS), name="pre_approval_of_some_runs"),
            models.CheckConstraint(
                condition=Q(taken_back_at__isnull=True, taken_back_by__isnull=True)
                | Q(taken_back_at__isnull=False, taken_back_by__isnull=False),
                name="pre_approval_taken_back_by_somebody",
            ),
        ]


class PreApprovalUse(models.Model):
    """One run that was let go by an approval given ahead: one of its count, whatever becomes of the run."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    pre_approval = models.ForeignKey(PreApproval, on_delete=models.PROTECT, related_name="uses")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="approved_ahead")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pre_approval", "run"], name="pre_approval_once_for_a_run")]
