"""Deputies with dates, and decisions that one person asked another to take."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from procedures.domain.ids import uuid7
from procedures.models.people import Person


class Deputy(models.Model):
    """`deputy` looks for `person` at what waits for decisions of these `verbs`, from `from_at` until `until_at`.

    `agreed_at`: when the deputy agreed; before that it has no effect (decisions/0026).
    `ended_at`: earlier, or as a sweeper found it over; `why` says who or what ended it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="deputies")
    deputy = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="stands_in")
    verbs = models.JSONField()
    from_at = models.DateTimeField()
    until_at = models.DateTimeField()
    named_at = models.DateTimeField()
    agreed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=10, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(person=F("deputy")), name="deputy_is_another"),
            models.CheckConstraint(condition=Q(until_at__gt=F("from_at")), name="deputy_ends_after_it_begins"),
        ]
        indexes = [models.Index(fields=["until_at"], condition=Q(ended_at__isnull=True), name="deputy_open")]


class DecisionAsked(models.Model):
    """`by` could decide this and asked `person`, who could too. `mark` tells one asking of a run from its next."""

    class What(models.TextChoices):
        RUN = "run"
        VERSION = "version"
        CHANGE = "change"
        ACCESS_REQUEST = "access_request"

    id = models.UUIDField(primary_key=True, default=uuid7)
    what = models.CharField(max_length=20, choices=What.choices)
    about = models.UUIDField()
    mark = models.CharField(max_length=200, blank=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="asked_to_decide")
    by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["what", "about", "mark", "person"], name="decision_asked_once"),
            models.CheckConstraint(condition=~Q(person=F("by")), name="decision_asked_of_another"),
        ]
