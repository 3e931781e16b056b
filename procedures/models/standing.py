"""Schedules and hooks as their last confirmed changes say, each time that one fired, and each delivery taken."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.domain.standing import KINDS
from procedures.models.environments import Environment
from procedures.models.people import Person
from procedures.models.runs import Run
from procedures.models.versions import Procedure

OUTCOMES = ("waiting", "asked", "missed", "skipped", "refused")


class Standing(models.Model):
    """One schedule or hook; a control object (rule 14). `object` is that of the change that set it last.

    `next_at` is the next planned moment of a schedule that goes by the clock; `after` the procedure that it follows.
    `refusals` counts those in a row. `secret` is what a hook outside production shares with its sender, sealed.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    kind = models.CharField(max_length=8)
    name = models.CharField(max_length=63)
    procedure = models.ForeignKey(Procedure, on_delete=models.PROTECT, related_name="standing")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="standing")
    account = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="standing")
    object = models.JSONField()
    change = models.UUIDField()
    after = models.ForeignKey(Procedure, on_delete=models.PROTECT, null=True, related_name="followed_by")
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    edited_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    confirmed_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    set_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    paused_why = models.CharField(max_length=300, blank=True)
    next_at = models.DateTimeField(null=True)
    refusals = models.PositiveIntegerField(default=0)
    secret = models.BinaryField(default=b"")
    secret_holder = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["next_at"], name="standing_next"),
            models.Index(fields=["after", "environment"], name="standing_after"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["kind", "name"], name="standing_name_once"),
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="standing_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Fire(models.Model):
    """What came of one planned moment, one run that was followed, or one delivery; at most one row for each.

    `waiting`: it is to be asked for as soon as the run before it has ended. `missed` counts the planned moments before
    this one that nobody was there for. `mark` is a delivery's id, `proof` what its headers said; `body` stays for
    thirty days, so that the issuer can verify it again. `run` is the one that was asked for; `runs` are that and those
    that go on with it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    standing = models.ForeignKey(Standing, on_delete=models.PROTECT, related_name="fires")
    planned_at = models.DateTimeField()
    followed = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="followed_by")
    at = models.DateTimeField()
    outcome = models.CharField(max_length=8)
    why = models.CharField(max_length=500, blank=True)
    missed = models.PositiveIntegerField(default=0)
    run = models.OneToOneField(Run, on_delete=models.PROTECT, null=True, related_name="fire")
    mark = models.CharField(max_length=200, blank=True)
    proof = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    body_kept = models.BooleanField(default=False)
    body_sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["standing", "-planned_at"], name="fire_newest"),
            models.Index(fields=["at"], condition=Q(outcome="waiting"), name="fire_waiting"),
            models.Index(fields=["at"], condition=Q(body_kept=True), name="fire_body"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["standing", "planned_at"],
                condition=Q(followed__isnull=True, mark=""),
                name="fire_once_per_moment",
            ),
            models.UniqueConstraint(
                fields=["standing", "followed"], condition=Q(followed__isnull=False), name="fire_once_per_run"
            ),
            models.UniqueConstraint(fields=["standing", "mark"], condition=~Q(mark=""), name="delivery_taken_once"),
            models.CheckConstraint(condition=Q(outcome__in=OUTCOMES), name="fire_outcome_known"),
            models.CheckConstraint(
                condition=Q(outcome="asked", run__isnull=False) | (~Q(outcome="asked") & Q(run__isnull=True)),
                name="fire_has_a_run_exactly_when_asked",
            ),
        ]
