"""Stop switches: thrown by one hand, lifted by another."""

from __future__ import annotations

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from procedures.domain.ids import uuid7
from procedures.models.environments import Environment
from procedures.models.people import Person
from procedures.models.versions import Procedure


class Stop(models.Model):
    """One throw of a switch: of the whole portal, of an environment or of a procedure. Live until it is lifted."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, null=True, related_name="stops")
    procedure = models.ForeignKey(Procedure, on_delete=models.PROTECT, null=True, related_name="stops")
    reason = models.CharField(max_length=200)
    thrown_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    thrown_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(environment__isnull=True) | Q(procedure__isnull=True), name="stop_of_one_thing"
            ),
            models.UniqueConstraint(
                fields=["environment"],
                condition=Q(lifted_at__isnull=True, environment__isnull=False),
                name="stop_once_per_environment",
            ),
            models.UniqueConstraint(
                fields=["procedure"],
                condition=Q(lifted_at__isnull=True, procedure__isnull=False),
                name="stop_once_per_procedure",
            ),
            models.UniqueConstraint(
                Coalesce("environment", Value("")),
                condition=Q(lifted_at__isnull=True, procedure__isnull=True, environment__isnull=True),
                name="stop_once_for_all",
            ),
        ]

    @property
    def what(self) -> str:
        """What stands still, in words."""
        return self.environment_id or (self.procedure.name if self.procedure else "the whole portal")
