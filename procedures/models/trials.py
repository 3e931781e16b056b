"""Trials: each go of a version's own tests in the disposable pool, pinned to its digest and kept as it ended."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.domain.states import ENDED_TRIALS, TrialState
from procedures.models.environments import Runner
from procedures.models.people import Person
from procedures.models.versions import Version

ENDED = sorted(state.value for state in ENDED_TRIALS)


class Trial(models.Model):
    """One go. `results` has a row per test: `{test, ok, told, seconds}`.

    `asked_by` is empty for the one that a submission brings.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="trials")
    digest = models.CharField(max_length=71)
    state = models.CharField(max_length=8)
    state_since = models.DateTimeField()
    asked_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True)
    runner = models.ForeignKey(Runner, on_delete=models.PROTECT, null=True, related_name="trials")
    ended_at = models.DateTimeField(null=True)
    results = models.JSONField(default=list)
    software = models.CharField(max_length=100, blank=True)
    tier = models.CharField(max_length=1, blank=True)
    message = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=[s.value for s in TrialState]), name="trial_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=ENDED, ended_at__isnull=False) | (~Q(state__in=ENDED) & Q(ended_at__isnull=True)),
                name="trial_ended_exactly_when_terminal",
            ),
            models.UniqueConstraint(
                fields=["version"], condition=Q(state__in=["waiting", "running"]), name="trial_one_under_way"
            ),
        ]
