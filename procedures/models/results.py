"""Secret results: what the portal keeps of them it cannot open, and what it sent elsewhere it does not have."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain import results
from procedures.domain.ids import uuid7
from procedures.models.runs import Run, Task


class SecretResult(models.Model):
    """One secret result of one task. `content` is an age file for the keys that `recipients` names, while it is kept.

    `recipients` holds pairs of a person's subject and the fingerprint of an enrolled key.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="results")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="results")
    name = models.CharField(max_length=63)
    deliver = models.CharField(max_length=10)
    classification = models.CharField(max_length=12, blank=True)
    where = models.CharField(max_length=1200)
    state = models.CharField(max_length=12)
    why = models.TextField(blank=True)
    recipients = models.JSONField(default=list)
    content = models.BinaryField(null=True)
    content_sha256 = models.CharField(max_length=64, blank=True)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, db_index=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "name"], name="result_once_per_task"),
            models.CheckConstraint(condition=Q(state__in=results.STATES), name="result_state_known"),
            models.CheckConstraint(
                condition=Q(state=results.KEPT, content__isnull=False, expires_at__isnull=False)
                | (~Q(state=results.KEPT) & Q(content__isnull=True)),
                name="result_is_there_exactly_while_kept",
            ),
        ]
