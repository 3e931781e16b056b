"""Persons, groups, duties and keys: who may stand behind a request."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.db import models
from django.db.models import F, Q

from procedures.domain.clock import now
from procedures.domain.definition import DUTIES
from procedures.domain.ids import uuid7


class PersonManager(BaseUserManager["Person"]):
    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(username=username)


class Person(AbstractBaseUser, PermissionsMixin):
    """A person, service account or agent. `subject` is the pseudonym that evidence uses."""

    class Kind(models.TextChoices):
        PERSON = "person"
        SERVICE = "service"
        AGENT = "agent"
        SYSTEM = "system"

    username = models.CharField(max_length=150, unique=True)
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PERSON)
    subject = models.UUIDField(unique=True, default=uuid7, editable=False)
    owner = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="owned")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now)
    groups = models.ManyToManyField(  # type: ignore[assignment]
        Group,
        through="Membership",
        through_fields=("person", "group"),
        related_name="user_set",
        related_query_name="user",
    )

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = PersonManager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(is_superuser=False), name="person_is_never_superuser"),
            models.CheckConstraint(
                condition=~Q(kind="agent") | Q(owner__isnull=False, password__startswith="!", is_staff=False),
                name="agent_has_an_owner_and_no_password",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.username


class Membership(models.Model):
    """A person in a group: a grant by the back door, hence a control object (decisions.md, 2)."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="memberships")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="memberships")
    since_at = models.DateTimeField()
    added_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "group"], name="membership_once"),
            models.CheckConstraint(condition=~Q(person=F("added_by")), name="membership_not_by_oneself"),
        ]


class DutyAssignment(models.Model):
    """A person or a group fills a review duty (operations, security, compliance)."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="duty_assignments")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, null=True, related_name="duty_assignments")
    duty = models.CharField(max_length=20)
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(duty__in=DUTIES), name="duty_known"),
            models.CheckConstraint(
                condition=Q(person__isnull=True, group__isnull=False) | Q(person__isnull=False, group__isnull=True),
                name="duty_person_or_group",
            ),
        ]


class EnrolledKey(models.Model):
    """A public key with which a person signs, SSH key or passkey. Counts from its enrolment event.

    The columns from `credential` on are a passkey's: base64url id, name of the algorithm, relying party and origin
    as they were confirmed, and the highest sign counter seen. `counts_from_at` is set where the key takes the place of
    one that was lost: from then on it counts for production (H1).
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="signing_keys")
    method = models.CharField(max_length=10, default="ssh")
    public = models.TextField()
    fingerprint = models.CharField(max_length=80, unique=True)
    enrolled_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    counts_from_at = models.DateTimeField(null=True)
    credential = models.CharField(max_length=1364, blank=True, default="", db_default="")
    algorithm = models.CharField(max_length=10, blank=True, default="", db_default="")
    rp = models.CharField(max_length=200, blank=True, default="", db_default="")
    origin = models.CharField(max_length=200, blank=True, default="", db_default="")
    sign_count = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(method="ssh", credential="", rp="", origin="")
                | (Q(method="passkey") & ~Q(credential="") & ~Q(rp="") & ~Q(origin="")),
                name="key_is_whole",
            ),
        ]


class CodeApp(models.Model):
    """A person's app for codes (TOTP). It counts from `enrolled_at`; `sealed` is emptied when it is removed.

    `last_step` is the time step of the last code that was used: none is taken twice.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="code_apps")
    sealed = models.BinaryField()
    made_at = models.DateTimeField()
    enrolled_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person"], condition=Q(removed_at__isnull=True), name="code_app_one_each"),
        ]


class OneTimeLink(models.Model):
    """An invitation or the first manager's link: used once, before it expires; stored hashed."""

    class Purpose(models.TextChoices):
        BOOTSTRAP = "bootstrap"
        INVITE = "invite"
        CLI = "cli"

    id = models.UUIDField(primary_key=True, default=uuid7)
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    token_sha256 = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class DenialCount(models.Model):
    """How often a person was refused within one minute; past five the rest is one counted event (decisions.md, 6)."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=60)
    door = models.CharField(max_length=10)
    minute = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "verb", "door", "minute"], name="denial_count_once")]
