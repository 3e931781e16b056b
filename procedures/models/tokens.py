"""Bearer tokens and open sessions: through what somebody acts, until when, and how strongly they were proved."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from procedures.domain.ids import uuid7
from procedures.domain.tokens import VERBS
from procedures.models.people import Person


def every_verb() -> list[str]:
    return list(VERBS)


class ApiToken(models.Model):
    """A bearer token, stored hashed, shown once. It narrows what its owner may, and decides nothing.

    Empty `procedures` or `environments`: all. `replaces` is the token that this one was made in the place of.
    `audience` is the one door that takes it: a token for agents is nothing at the API, and the other way round (H33).
    """

    class Audience(models.TextChoices):
        API = "api"
        MCP = "mcp"
        SCIM = "scim"

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    token_sha256 = models.CharField(max_length=64, unique=True)
    procedures = models.JSONField(default=list, db_default=[])
    environments = models.JSONField(default=list, db_default=[])
    verbs = models.JSONField(default=every_verb, db_default=list(VERBS))
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    replaces = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="replaced_by")
    audience = models.CharField(
        max_length=8, choices=Audience.choices, default=Audience.API, db_default=Audience.API.value
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="token_ends_after_it_begins"),
            models.CheckConstraint(condition=Q(audience__in=["api", "mcp", "scim"]), name="token_audience_known"),
        ]


class OpenSession(models.Model):
    """A person's session as they know it: from where, by what, since when; `proved` is the last second factor.

    `kind` is `web` or `cli`. The cookie's session names this row; a row that has ended ends the cookie's session.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="sessions")
    kind = models.CharField(max_length=3, default="web")
    device = models.CharField(max_length=300, blank=True)
    address = models.CharField(max_length=64, blank=True)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    until_at = models.DateTimeField()
    proved = models.CharField(max_length=8, default="session")
    proved_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["person", "-seen_at"], name="session_person_seen")]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["web", "cli"]), name="session_kind_known"),
            models.CheckConstraint(condition=Q(proved__in=["session", "totp", "signed"]), name="session_proved_known"),
        ]
