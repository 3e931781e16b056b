"""What people answered at a gate that asks."""

from __future__ import annotations

from django.db import models

from procedures.domain.ids import uuid7
from procedures.models.people import Person
from procedures.models.runs import Run


class GateAnswer(models.Model):
    """One person's answer at one gate. Where several are asked for, all give the same values."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="answers")
    gate = models.CharField(max_length=400)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    values = models.JSONField()
    values_sha256 = models.CharField(max_length=64)
    duties = models.JSONField(default=list)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "gate", "person"], name="gate_answer_once_a_person")]
