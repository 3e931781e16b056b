"""Spaces: a team's procedures and the limits inside which its leads give access."""

from __future__ import annotations

from django.db import models

from procedures.domain.ids import uuid7


class Space(models.Model):
    """As the last signed change set it; an ended one stays, so that what was given in it can be told."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=63, unique=True)
    title = models.CharField(max_length=200)
    leads = models.JSONField()
    procedures = models.JSONField()
    environments = models.JSONField()
    verbs = models.JSONField()
    days = models.PositiveIntegerField()
    risk = models.CharField(max_length=10)
    labels = models.JSONField(default=list)
    targets = models.JSONField(default=list)
    at_once = models.PositiveIntegerField(null=True)
    event = models.UUIDField()
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
