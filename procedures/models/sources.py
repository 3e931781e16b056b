"""Git repositories from which procedures come, and what was wrong with their files."""

from __future__ import annotations

from django.db import models

from procedures.models.people import Person


class Source(models.Model):
    """One branch of one repository; a control object (rule 14). `owner` answers for whoever nobody knows.

    `hook_secret` is half of what signs webhooks, the portal's own key the other; a webhook only lets somebody ask for a
    look and name who pushed. `asked_at` is when that was asked last.
    """

    name = models.SlugField(max_length=63, primary_key=True)
    url = models.CharField(max_length=500)
    branch = models.CharField(max_length=200)
    path = models.CharField(max_length=300, blank=True)
    owner = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="sources")
    group = models.CharField(max_length=150, blank=True)
    hook_secret = models.CharField(max_length=64)
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    pushers = models.JSONField(default=list)
    looked_at = models.DateTimeField(null=True)
    commit = models.CharField(max_length=64, blank=True)
    problem = models.TextField(blank=True)


class SourceFinding(models.Model):
    """What is wrong with one file of a source as it stands at its newest commit."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="findings")
    commit = models.CharField(max_length=64)
    path = models.CharField(max_length=500)
    message = models.TextField()
    at = models.DateTimeField()


class HookDelivery(models.Model):
    """A delivery of a webhook that was taken; each is taken once."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="deliveries")
    delivery = models.CharField(max_length=100)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "delivery"], name="hook_delivery_once")]
