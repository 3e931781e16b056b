"""Procedures, their immutable versions and the reviews of them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from procedures.domain.clock import now
from procedures.domain.definition import RISKS
from procedures.domain.ids import uuid7
from procedures.domain.states import VersionState
from procedures.models.people import Person

VERBS = (
    "discover",
    "view",
    "run",
    "cancel",
    "read_output",
    "author",
    "review",
    "approve",
    "manage_access",
    "operate",
    "break_glass",
    "audit",
)


class Procedure(models.Model):
    """A named, owned operation. `labels` are set by access managers alone (rule 17)."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=63, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    owner = models.CharField(max_length=200, blank=True)
    hidden = models.BooleanField(default=False)
    labels = models.JSONField(default=list, blank=True)
    retired_at = models.DateTimeField(null=True)
    retired_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    retired_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(default=now)

    class Meta:
        default_permissions = ()
        permissions = [(verb, f"Can {verb}") for verb in VERBS]

    def __str__(self) -> str:
        return self.name


class Version(models.Model):
    """One content-addressed bundle. `digest` is the closure's (rule 3); `definition` reads its bytes.

    A `draft` never stands before reviewers and is its authors' own: what is submitted later is a version of its own.
    `origin` tells of the source, commit and signatures that it came with; empty for what was handed in directly.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    procedure = models.ForeignKey(Procedure, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=71)
    bundle_digest = models.CharField(max_length=71)
    closure = models.JSONField()
    definition = models.JSONField()
    state = models.CharField(max_length=12)
    state_since = models.DateTimeField()
    draft = models.BooleanField(default=False)
    risk = models.CharField(max_length=8)
    risk_reasons = models.JSONField(default=list)
    findings = models.JSONField(default=list)
    note = models.TextField(blank=True)
    submitter = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="submitted_versions")
    author_label = models.CharField(max_length=200, blank=True)
    submitted_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    profile = models.CharField(max_length=10, blank=True)
    origin = models.JSONField(default=dict)
    stops_runs = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["procedure", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["procedure"], condition=Q(state="in_review"), name="version_one_in_review"),
            models.UniqueConstraint(fields=["procedure"], condition=Q(state="accepted"), name="version_one_accepted"),
            models.CheckConstraint(condition=Q(state__in=[s.value for s in VersionState]), name="version_state_known"),
            models.CheckConstraint(condition=Q(risk__in=RISKS), name="version_risk_known"),
        ]


class VersionFile(models.Model):
    """One file of a bundle, its exact bytes."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="files")
    path = models.CharField(max_length=500)
    content = models.BinaryField()
    size_bytes = models.PositiveIntegerField()
    content_sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "path"], name="version_file_once")]


class VersionAuthor(models.Model):
    """Everybody who counts as an author of a version (rule 16), the submitter among them."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="authors")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "person"], name="version_author_once")]


class Review(models.Model):
    """One reviewer's decision on one digest. `submitter` is a copy, so that a constraint can forbid own work."""

    class Verdict(models.TextChoices):
        ACCEPT = "accept"
        REJECT = "reject"
        REQUEST_CHANGES = "request_changes"

    id = models.UUIDField(primary_key=True, default=uuid7)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="reviews_made")
    submitter = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=71)
    verdict = models.CharField(max_length=16, choices=Verdict.choices)
    duties = models.JSONField(default=list)
    comment = models.TextField(blank=True)
    strength = models.CharField(max_length=8)
    statement = models.BinaryField()
    signatures = models.JSONField(default=list)
    at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "reviewer"], condition=Q(lifted_at__isnull=True), name="review_once_per_person"
            ),
            models.CheckConstraint(condition=~Q(reviewer=F("submitter")), name="review_not_by_submitter"),
            models.CheckConstraint(
                condition=Q(strength__in=["session", "totp", "signed"]), name="review_strength_known"
            ),
        ]
