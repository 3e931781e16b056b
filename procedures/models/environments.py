"""Environments and what hangs on them: rules, bindings, targets, sealed secrets, runners."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.definition import RISKS
from procedures.domain.ids import uuid7
from procedures.domain.sshkeys import fingerprint
from procedures.models.people import Person


class Environment(models.Model):
    """A walled zone. `approvals` is `{risk: {duty: count}}` for runs (decisions.md, 2).

    `networks` are the private ranges (CIDR) that a step such as `http:request` may reach; `tier` is the weakest sandbox
    that its runs may have, empty where any will do. Up to the risk `ahead_up_to` schedules may be approved ahead; where
    it is empty, none may.
    """

    name = models.SlugField(max_length=63, primary_key=True)
    title = models.CharField(max_length=100)
    position = models.PositiveSmallIntegerField(default=0)
    production = models.BooleanField(default=False)
    drafts = models.BooleanField(default=False)
    approvals = models.JSONField(default=dict)
    min_strength = models.CharField(max_length=8, default="session")
    ahead_up_to = models.CharField(max_length=8, default="", db_default="", blank=True)
    approval_expiry_s = models.PositiveIntegerField(default=86_400)
    pause_limit_s = models.PositiveIntegerField(default=86_400, db_default=86_400)
    reason_required = models.BooleanField(default=True)
    networks = models.JSONField(default=list)
    tier = models.CharField(max_length=1, default="", db_default="", blank=True)
    stopped_at = models.DateTimeField(null=True)  # read by nobody: `Stop` says it; goes one release later
    frozen_until_at = models.DateTimeField(null=True)
    queue = models.JSONField(default=dict, db_default={})
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("position", "name")
        constraints = [
            models.CheckConstraint(
                condition=Q(min_strength__in=["session", "totp", "signed"]), name="environment_strength_known"
            ),
            models.CheckConstraint(
                condition=Q(production=False) | Q(drafts=False), name="environment_no_drafts_in_production"
            ),
            models.CheckConstraint(
                condition=Q(ahead_up_to__in=["", *RISKS]) & (Q(production=False) | ~Q(ahead_up_to=RISKS[-1])),
                name="environment_nothing_high_ahead_in_production",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CredentialBinding(models.Model):
    """What an environment makes of a credential name; versioned, a control object, its digest in the plan (H2)."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="bindings")
    name = models.CharField(max_length=63)
    revision = models.PositiveIntegerField(default=1)
    provider = models.CharField(max_length=40)
    role = models.CharField(max_length=200)
    ceiling = models.JSONField(default=dict)
    max_ttl_s = models.PositiveIntegerField(default=600)
    reach = models.JSONField(default=dict)
    digest = models.CharField(max_length=71)
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "name"], condition=Q(ended_at__isnull=True), name="binding_one_live"
            ),
        ]


class Target(models.Model):
    """A host a procedure may act on. One environment each, by unique host key and address (rule 18).

    `inventory` names the source that it came from, empty where a person named it; `missing_since_at` says since when
    that source no longer names it. `owner` informs, and decides nothing (rule 17). `host_authority`, where it is not
    empty, is the key whose certificate the host must show for its name and `host_key`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="targets")
    name = models.CharField(max_length=200)
    address = models.CharField(max_length=255)
    port = models.PositiveIntegerField(default=22)
    host_key = models.TextField()
    host_key_sha256 = models.CharField(max_length=60)
    host_authority = models.TextField(blank=True, default="", db_default="")
    trust = models.CharField(max_length=12, default="key")
    tags = models.JSONField(default=dict)
    attributes = models.JSONField(default=dict)
    owner = models.CharField(max_length=200, blank=True)
    inventory = models.CharField(max_length=63, blank=True)
    missing_since_at = models.DateTimeField(null=True)
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(ended_at__isnull=True), name="target_name_once"),
            models.UniqueConstraint(
                fields=["host_key_sha256"], condition=Q(ended_at__isnull=True), name="target_host_key_once"
            ),
            models.UniqueConstraint(
                fields=["address", "port"], condition=Q(ended_at__isnull=True), name="target_address_once"
            ),
            models.CheckConstraint(
                condition=Q(trust__in=["key", "restricted", "certificate"]), name="target_trust_known"
            ),
        ]

    @property
    def host_authority_sha256(self) -> str:
        return fingerprint(self.host_authority) if self.host_authority else ""


class SealedSecret(models.Model):
    """A static secret sealed to one environment's pool key; nobody but that pool can open it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="secrets")
    name = models.CharField(max_length=100)
    revision = models.PositiveIntegerField(default=1)
    pool_key_id = models.CharField(max_length=64)
    ciphertext = models.BinaryField()
    value_fingerprint = models.CharField(max_length=64)
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "name"], condition=Q(ended_at__isnull=True), name="secret_one_live"
            ),
            models.UniqueConstraint(
                fields=["value_fingerprint"], condition=Q(ended_at__isnull=True), name="secret_in_one_environment"
            ),
        ]


class Runner(models.Model):
    """A worker of one pool with a key of its own. `tier`, `software` and `reported` are its own words (H42).

    `environments`, `zones` and `attested` (digests of software that it may run) are what people signed. A disposable
    one runs what nobody has reviewed, and nothing else (H15).
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=200)
    environments = models.JSONField(default=list)
    disposable = models.BooleanField(default=False)
    public = models.CharField(max_length=64)
    tier = models.CharField(max_length=1, blank=True)
    software = models.CharField(max_length=100, blank=True)
    zones = models.JSONField(default=list, db_default=[])
    attested = models.JSONField(default=list, db_default=[])
    reported = models.JSONField(default=dict, db_default={})
    event = models.UUIDField(null=True)  # what enrolled it
    enrolled_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(null=True)
    skew_s = models.FloatField(null=True)  # its clock against the database's at that moment; ahead is positive
    statements = models.BigIntegerField(default=0)
    last_statement_sha256 = models.CharField(max_length=64, blank=True)
    ended_at = models.DateTimeField(null=True)


class PoolKey(models.Model):
    """The public half of an environment's pool key, to which the web tier seals."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="pool_keys")
    key_id = models.CharField(max_length=64, unique=True)
    public = models.CharField(max_length=64)
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)


class PortalSetting(models.Model):
    """A setting that weighs on authority, such as the review profile; a control object."""

    name = models.CharField(max_length=63, primary_key=True)
    value = models.JSONField()
    since_at = models.DateTimeField()
