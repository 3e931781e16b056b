"""Identity providers that were let in, the people they vouch for, and answers of theirs that were used."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.people import Person


class IdentityProvider(models.Model):
    """A provider as the last confirmed change says. `object` is that change's own."""

    name = models.CharField(max_length=63, primary_key=True)
    object = models.JSONField()
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    @property
    def title(self) -> str:
        return str(self.object["title"])


class Identity(models.Model):
    """One login of a person: (provider, the provider's own name of them). A person may have many; nobody shares one.

    `email` and `name` are what the provider last said; they decide nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="identities")
    provider = models.ForeignKey(IdentityProvider, on_delete=models.PROTECT, related_name="identities")
    subject = models.CharField(max_length=255)
    name = models.CharField(max_length=200, blank=True)
    email = models.CharField(max_length=254, blank=True)
    linked_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "subject"], name="identity_is_one_persons"),
            models.CheckConstraint(condition=~Q(subject=""), name="identity_has_a_subject"),
        ]


class Assertion(models.Model):
    """A SAML assertion that was taken once; `said` waits two minutes for the browser whose question it answers."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    provider = models.ForeignKey(IdentityProvider, on_delete=models.PROTECT, related_name="+")
    assertion = models.CharField(max_length=255)
    question = models.CharField(max_length=255)
    handle_sha256 = models.CharField(max_length=64, unique=True)
    said = models.JSONField(null=True)
    taken_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "assertion"], name="assertion_taken_once")]
