"""Purges: runs whose time is over, and which two people agreed to erase. The run's row stays, and says so."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.runs import Run


class Purge(models.Model):
    """One run of a purge; `change` is what two people signed. The sweeper erases it, and then it is `done_at`.

    Where the log does not bear that out it stays, and `problem` says why; `looked_at` is when that was judged last.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="purge")
    change = models.UUIDField()
    agreed_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True, default="")
    looked_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["agreed_at"], condition=Q(done_at__isnull=True), name="purge_due")]
