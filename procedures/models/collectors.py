"""Collectors: where the log is streamed to, and how far each has taken it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7


class Collector(models.Model):
    """Leaves from `first` until before `sent` were acknowledged; after `failures` in a row it waits until `next_at`."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=63)
    url = models.CharField(max_length=500)
    first = models.BigIntegerField()
    sent = models.BigIntegerField()
    sent_at = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    problem_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField()
    event = models.UUIDField()
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(ended_at__isnull=True), name="collector_one_live"),
        ]
