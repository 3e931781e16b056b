"""Uses of break-glass: each is one signed statement over one plan of one run, open until somebody else reviewed it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from procedures.domain.break_glass import VERDICTS
from procedures.domain.ids import uuid7
from procedures.models.people import Person
from procedures.models.runs import Run


class GlassBreak(models.Model):
    """`grant` is the one that gave the permission. `not_after_at` ends four hours after the statement."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="glass_breaks")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="glass_breaks")
    plan_digest = models.CharField(max_length=71)
    reason = models.TextField()
    skips = models.JSONField()
    grant = models.UUIDField()
    nonce = models.CharField(max_length=64, unique=True)
    statement = models.BinaryField()
    signatures = models.JSONField()
    at = models.DateTimeField()
    not_after_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    reviewer = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="glass_reviews")
    reviewed_at = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=12, blank=True)
    comment = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["person", "at"], name="glass_of_person")]
        constraints = [
            models.UniqueConstraint(fields=["run", "plan_digest"], name="glass_once_a_plan"),
            models.CheckConstraint(
                condition=Q(reviewer__isnull=True) | ~Q(reviewer=F("person")), name="glass_reviewed_by_somebody_else"
            ),
            models.CheckConstraint(
                condition=Q(reviewer__isnull=True, reviewed_at__isnull=True, verdict="")
                | Q(reviewer__isnull=False, reviewed_at__isnull=False, verdict__in=VERDICTS),
                name="glass_review_is_whole",
            ),
        ]
