"""Part of a step's targets, handed out so that several runners may work on one step."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.environments import Runner
from procedures.models.runs import Run


class StepBatch(models.Model):
    """At most 64 targets of one step (decisions.md, 10). `claim` is the token of the claim that handed it out: with it
    the batch ends. `token` fences whoever took it.
    """

    class State(models.TextChoices):
        OPEN = "open"
        TAKEN = "taken"
        DONE = "done"

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="step_batches")
    claim = models.UUIDField()
    phase = models.CharField(max_length=8)
    step = models.CharField(max_length=400)
    position = models.PositiveIntegerField()
    batch = models.PositiveIntegerField()
    labels = models.JSONField()
    state = models.CharField(max_length=5, choices=State.choices, default=State.OPEN)
    runner = models.ForeignKey(Runner, on_delete=models.PROTECT, null=True, related_name="step_batches")
    token = models.UUIDField(null=True)
    made_at = models.DateTimeField()
    lines = models.PositiveBigIntegerField(default=0, db_default=0)  # of output that its holder has stored
    heartbeat_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["open", "taken", "done"]), name="step_batch_state_known"),
            models.CheckConstraint(
                condition=Q(state="open", token__isnull=True) | (~Q(state="open") & Q(token__isnull=False)),
                name="step_batch_taken_by_somebody",
            ),
        ]
