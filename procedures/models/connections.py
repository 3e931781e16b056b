"""Programs that act as an agent by OAuth: who registered, what an owner let in, and the keys that change hands."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from procedures.domain.ids import uuid7
from procedures.models.people import Person
from procedures.models.tokens import ApiToken


class AgentClient(models.Model):
    """A program that registered itself (RFC 7591). It is nobody, and may nothing, until an owner connects it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=60, blank=True)
    redirects = models.JSONField()
    address = models.CharField(max_length=64, blank=True)
    registered_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["address", "registered_at"], name="agent_client_address"),
            models.Index(fields=["registered_at"], name="agent_client_registered"),
        ]


class Connection(models.Model):
    """An owner's consent that a program acts as one agent, until a day; `verbs` is the most its token may.

    Its life is its token's: whatever ends that token ends the connection. Until its code is used there is no token.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    client = models.ForeignKey(AgentClient, on_delete=models.PROTECT, related_name="connections")
    agent = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="connections")
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    verbs = models.JSONField()
    redirect = models.CharField(max_length=500)
    challenge = models.CharField(max_length=43)
    code_sha256 = models.CharField(max_length=64, unique=True)
    code_until_at = models.DateTimeField()
    code_used_at = models.DateTimeField(null=True)
    made_at = models.DateTimeField()
    until_at = models.DateTimeField()
    token = models.OneToOneField(ApiToken, on_delete=models.PROTECT, null=True, related_name="connection")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(until_at__gt=F("made_at")), name="connection_ends_after_it_begins"),
            models.CheckConstraint(
                condition=Q(token__isnull=True) | Q(code_used_at__isnull=False), name="connection_token_by_its_code"
            ),
        ]


class RefreshToken(models.Model):
    """One of the keys by which a connection's token is changed for a fresh one; each is good once."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="refresh_tokens")
    token_sha256 = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    until_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["until_at"], name="refresh_token_until")]
