"""Lists of choices as sources gave them: shared by whoever may ask the source the same, and kept for a while."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.environments import Environment
from procedures.models.people import Person
from procedures.models.runs import Run
from procedures.models.versions import Version


class OptionList(models.Model):
    """One list. `key` says what was asked of which source, and nothing of who asked."""

    class State(models.TextChoices):
        ASKING = "asking"
        READY = "ready"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7)
    key = models.CharField(max_length=71, unique=True)
    source = models.CharField(max_length=10)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    parameter = models.CharField(max_length=200)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    question = models.JSONField(default=dict)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")
    asked_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=7, choices=State.choices)
    values = models.JSONField(default=list)
    titles = models.JSONField(default=list)
    digest = models.CharField(max_length=71, blank=True)
    message = models.TextField(blank=True)
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["asking", "ready", "failed"]), name="option_list_state_known")
        ]
