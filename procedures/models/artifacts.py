"""Files that runs made and their steps declared; the bytes go when their time is over, the row and hash stay."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.runs import Run, Task


class Artifact(models.Model):
    """One declared file of one task. `content` is what is served: masked if it was text."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="artifacts")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="artifacts")
    name = models.CharField(max_length=100)
    type = models.CharField(max_length=100)
    size_bytes = models.PositiveBigIntegerField()
    content_sha256 = models.CharField(max_length=64)
    masked = models.BooleanField(default=False)
    content = models.BinaryField(null=True)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "name"], name="artifact_once_per_task"),
            models.CheckConstraint(
                condition=Q(content__isnull=False, erased_at__isnull=True)
                | Q(content__isnull=True, erased_at__isnull=False),
                name="artifact_gone_exactly_when_erased",
            ),
        ]
