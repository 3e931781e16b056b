"""Workload identity: issuers that are trusted, rules that make service accounts of their tokens, and each exchange."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.people import Person
from procedures.models.tokens import ApiToken


class TrustedIssuer(models.Model):
    """An issuer as the last confirmed change says; `object` is that change's own, `url` the `iss` of its tokens."""

    name = models.CharField(max_length=63, primary_key=True)
    url = models.CharField(max_length=500)
    object = models.JSONField()
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["url"], condition=Q(ended_at__isnull=True), name="issuer_is_trusted_once"),
        ]


class WorkloadRule(models.Model):
    """Which tokens of an issuer become which service account; `made_by` is whoever proposed the change that set it."""

    name = models.CharField(max_length=63, primary_key=True)
    issuer = models.ForeignKey(TrustedIssuer, on_delete=models.PROTECT, related_name="rules")
    account = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="workload_rules")
    object = models.JSONField()
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    confirmed_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)


class Exchange(models.Model):
    """One token of an issuer that was taken, once, for one of ours; `mark` is its `jti`, or the digest of its text."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    issuer = models.ForeignKey(TrustedIssuer, on_delete=models.PROTECT, related_name="exchanges")
    rule = models.ForeignKey(WorkloadRule, on_delete=models.PROTECT, related_name="exchanges")
    token = models.OneToOneField(ApiToken, on_delete=models.PROTECT, related_name="exchange")
    mark = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    claims = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["rule", "-at"], name="exchange_rule_at")]
        constraints = [models.UniqueConstraint(fields=["issuer", "mark"], name="workload_token_taken_once")]
