"""Catalogue entries that runs registered: where the descriptor stands, and which bytes of it were read."""

from __future__ import annotations

from django.db import models

from procedures.models.runs import Run


class Entity(models.Model):
    """One entity as it was last registered. `ref` is `kind:namespace/name`; what the document says confers nothing."""

    ref = models.CharField(max_length=200, unique=True)
    place = models.CharField(max_length=3000)
    descriptor_sha256 = models.CharField(max_length=64)
    commit = models.CharField(max_length=64)
    document = models.JSONField()
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="entities")
    registered_at = models.DateTimeField()
