"""What belongs to an agent beside its account: its budget, and whether somebody stopped it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.software import MOST_AN_HOUR, RUNS_AN_HOUR
from procedures.models.people import Person


class Agent(models.Model):
    """Software that asks in its own name, for the owner of its account (the delegator)."""

    person = models.OneToOneField(Person, on_delete=models.PROTECT, primary_key=True, related_name="agent")
    runs_an_hour = models.PositiveIntegerField(default=RUNS_AN_HOUR)
    stopped_at = models.DateTimeField(null=True)
    since_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(runs_an_hour__gte=1, runs_an_hour__lte=MOST_AN_HOUR), name="agent_budget_has_bounds"
            ),
        ]
