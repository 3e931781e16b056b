"""Inventories that say which hosts there are, what each sync found, and when a target was last in contact."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.environments import Environment, Target
from procedures.models.people import Person


class Inventory(models.Model):
    """One source of one environment's hosts; a control object (rule 14). `settings` are as its kind wants them.

    `takes`: outside production what it finds becomes a target by the signature of whoever set it up.
    """

    name = models.SlugField(max_length=63, primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="inventories")
    kind = models.CharField(max_length=20)
    settings = models.JSONField(default=dict)
    trust = models.CharField(max_length=12, default="key")
    every_s = models.PositiveIntegerField()
    takes = models.BooleanField(default=False)
    set_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    event = models.UUIDField()
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    nudged_at = models.DateTimeField(null=True)
    synced_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(trust__in=["key", "restricted", "certificate"]), name="inventory_trust_known"
            ),
        ]


class InventoryReading(models.Model):
    """What a runner read from a source, until the scheduler has compared it: `hosts` are `domain.inventories.Found` as
    mappings, `problem` says why there are none.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    inventory = models.ForeignKey(Inventory, on_delete=models.PROTECT, related_name="readings")
    at = models.DateTimeField()
    hosts = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    problem = models.TextField(blank=True)


class InventorySync(models.Model):
    """What one sync found. A sync that found what the last one found moves `seen_at` of that row instead.

    `hosts` are `domain.inventories.Found` as mappings; `differences` what it meant to the targets of that moment.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    inventory = models.ForeignKey(Inventory, on_delete=models.PROTECT, related_name="syncs")
    at = models.DateTimeField()
    seen_at = models.DateTimeField()
    digest = models.CharField(max_length=71)
    hosts = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    differences = models.JSONField(default=list)
    taken = models.PositiveIntegerField(default=0)


class TargetContact(models.Model):
    """Whether a target was in contact when a runner last tried: its host key was shown and is the confirmed one."""

    target = models.OneToOneField(Target, on_delete=models.PROTECT, related_name="contact")
    state = models.CharField(max_length=12)
    message = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    reached_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["reached", "unreachable", "other_key"]), name="contact_state_known"
            ),
        ]
