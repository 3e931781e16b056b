"""Notices on their way to people, written in the transaction of what they tell of."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.people import Person


class Notice(models.Model):
    """One notice for one person. `key` says what it is about: nobody is told the same thing twice.

    `off`: by mail it went nowhere, since the portal has no mail, the person no address, or chose so; it stands on the
    person's page all the same.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        OFF = "off"
        GIVEN_UP = "given_up"

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=30)
    key = models.CharField(max_length=200)
    facts = models.JSONField(default=dict)
    path = models.CharField(max_length=200)
    at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state="waiting"), name="notice_waiting"),
            models.Index(fields=["person", "-id"], name="notice_of_person"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["person", "key"], name="notice_once"),
            models.CheckConstraint(
                condition=Q(state="waiting", next_at__isnull=False) | ~Q(state="waiting"), name="notice_waits_until"
            ),
        ]


class NoticeOff(models.Model):
    """A person wants no mail of this kind."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="notices_off")
    kind = models.CharField(max_length=30)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "kind"], name="notice_off_once")]


class Reminded(models.Model):
    """Somebody was reminded of this thing, at this point of its time: never a second time."""

    kind = models.CharField(max_length=30)
    about = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "about"], name="reminded_once")]
