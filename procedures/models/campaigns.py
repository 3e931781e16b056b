"""Campaigns: which grants people look at again, by when, and what they said of each."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.campaigns import CampaignState, ItemDecision
from procedures.models.access import ControlChange, Grant
from procedures.models.people import Person


class Campaign(models.Model):
    """One campaign. `select` is how its grants were found, `set_digest` what they are; `reviewers` are subjects."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=200)
    select = models.JSONField()
    set_digest = models.CharField(max_length=71)
    count = models.PositiveIntegerField()
    reviewers = models.JSONField()
    change = models.ForeignKey(ControlChange, on_delete=models.PROTECT, related_name="+")
    opened_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    state = models.CharField(max_length=6, default=CampaignState.OPEN.value)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in CampaignState]), name="campaign_state_known"
            ),
        ]


class CampaignItem(models.Model):
    """One grant of a campaign. `change` is the narrower grant that waits, or whatever carried the decision out."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="items")
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="campaign_items")
    decision = models.CharField(max_length=6, blank=True)
    decided_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)
    change = models.ForeignKey(ControlChange, on_delete=models.PROTECT, null=True, related_name="campaign_items")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "grant"], name="campaign_item_once"),
            models.CheckConstraint(
                condition=Q(decision__in=[d.value for d in ItemDecision]), name="campaign_item_decision_known"
            ),
        ]
