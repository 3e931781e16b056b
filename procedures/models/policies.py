"""Policies as they were confirmed, revision by revision, and what each of their decisions said."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.domain.policies import MODES, STAGES
from procedures.models.runs import Run
from procedures.models.versions import Version


class Policy(models.Model):
    """One revision of a policy: `object` is the control object, whole. The live one has no `ended_at`."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=63)
    revision = models.PositiveIntegerField(default=1)
    mode = models.CharField(max_length=4)
    object = models.JSONField()
    digest = models.CharField(max_length=71)
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(ended_at__isnull=True), name="policy_one_live"),
            models.UniqueConstraint(fields=["name", "revision"], name="policy_revision_once"),
            models.CheckConstraint(condition=Q(mode__in=MODES), name="policy_mode_known"),
        ]


class PolicyDecision(models.Model):
    """What the policies in force (`policies`, a digest) said of one version or run; `event` is its evidence."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    stage = models.CharField(max_length=8)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, null=True, related_name="policy_decisions")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="policy_decisions")
    policies = models.CharField(max_length=71, blank=True)
    input = models.CharField(max_length=71, blank=True)
    denied = models.JSONField(default=list)
    warned = models.JSONField(default=list)
    required = models.JSONField(default=dict)
    event = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(stage__in=STAGES), name="policy_decision_stage_known"),
            models.CheckConstraint(
                condition=Q(version__isnull=False, run__isnull=True) | Q(version__isnull=True, run__isnull=False),
                name="policy_decision_of_one_thing",
            ),
        ]
        indexes = [
            models.Index(fields=["version", "-id"], name="policy_decision_version"),
            models.Index(fields=["run", "-id"], name="policy_decision_run"),
        ]
