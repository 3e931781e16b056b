"""What a directory said over SCIM: the people it owns and the groups it keeps. It decides nothing by itself."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.identities import IdentityProvider
from procedures.models.people import Person


class DirectoryEntry(models.Model):
    """A person whom one directory owns: it may rename and close this account, and nobody else's.

    `said` holds the names and addresses it gave, as SCIM has them. `closed_at` is when it closed the account;
    `left_at` is when it deleted the entry, which is kept so that whoever comes back is known again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    provider = models.ForeignKey(IdentityProvider, on_delete=models.PROTECT, related_name="entries")
    person = models.OneToOneField(Person, on_delete=models.PROTECT, related_name="entry")
    external_id = models.CharField(max_length=255, blank=True)
    said = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1)
    made_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    left_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "external_id"], condition=~Q(external_id=""), name="entry_is_one_persons"
            )
        ]


class DirectoryGroup(models.Model):
    """A group as a directory keeps it. What it gives here, the signed map of the provider alone says."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    provider = models.ForeignKey(IdentityProvider, on_delete=models.PROTECT, related_name="kept_groups")
    name = models.CharField(max_length=255)
    external_id = models.CharField(max_length=255, blank=True)
    members = models.ManyToManyField(DirectoryEntry, through="DirectoryMember", related_name="kept_in")
    revision = models.PositiveIntegerField(default=1)
    made_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "name"], name="directory_group_has_its_name"),
            models.UniqueConstraint(
                fields=["provider", "external_id"], condition=~Q(external_id=""), name="directory_group_known_once"
            ),
        ]


class DirectoryMember(models.Model):
    """A person whom a directory keeps in one of its groups."""

    group = models.ForeignKey(DirectoryGroup, on_delete=models.PROTECT, related_name="rows")
    entry = models.ForeignKey(DirectoryEntry, on_delete=models.PROTECT, related_name="rows")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "entry"], name="directory_member_once")]
