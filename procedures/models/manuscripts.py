"""A procedure's files while somebody writes them in the browser: nobody else's business, and no version yet."""

from __future__ import annotations

from django.db import models

from procedures.domain.ids import uuid7
from procedures.models.people import Person


class Manuscript(models.Model):
    """`files` maps path → base64; `revision` counts saves; `base_*` say which version it began with."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    owner = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="manuscripts")
    name = models.CharField(max_length=63)
    files = models.JSONField(default=dict)
    base_digest = models.CharField(max_length=71, blank=True)
    revision = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="manuscript_once_a_person")]
