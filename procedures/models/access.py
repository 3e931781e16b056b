"""Grants: the table that is the truth, its expanded rights, and guardian's rows as their projection."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from procedures.domain.ids import uuid7
from procedures.models.environments import Environment
from procedures.models.people import Person
from procedures.models.versions import VERBS, Procedure


class Grant(models.Model):
    """One reviewed, expiring tuple, evaluated as a unit. `procedure` null and `selector` empty: every procedure.

    `selector` is a list of access managers' labels, pinned to the procedures of the day unless it `grows` (H12);
    `constraint` a JSON Schema over resolved parameters (H8), which leaves `unconstrained` secrets and files alone;
    `target_filter` a filter that must also hold; `window` days and hours, `period` which runs it audits
    (domain/windows.py).
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="grants")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, null=True, related_name="grants")
    verbs = models.JSONField()
    procedure = models.ForeignKey(Procedure, on_delete=models.PROTECT, null=True, related_name="grants")
    selector = models.JSONField(default=list)
    environments = models.JSONField(default=list)
    grows = models.BooleanField(default=False, db_default=False)
    constraint = models.JSONField(null=True)
    unconstrained = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    target_filter = models.TextField(blank=True)
    window = models.JSONField(null=True)
    period = models.JSONField(null=True)
    not_before_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    reason = models.TextField()
    granted_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="grants_made")
    confirmed_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    event = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["id"], name="grant_with_window", condition=Q(window__isnull=False))]
        constraints = [
            models.CheckConstraint(
                condition=Q(person__isnull=True, group__isnull=False) | Q(person__isnull=False, group__isnull=True),
                name="grant_person_or_group",
            ),
            models.CheckConstraint(
                condition=~Q(person=F("granted_by")) | Q(person__isnull=True), name="grant_not_to_oneself"
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("not_before_at")), name="grant_ends_after_it_begins"),
        ]


class GrantRight(models.Model):
    """One (verb, procedure, environment) of a grant; null means every one. What the decision's queries read."""

    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="rights")
    verb = models.CharField(max_length=16)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, null=True, related_name="+")
    procedure = models.ForeignKey(Procedure, on_delete=models.PROTECT, null=True, related_name="+")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, null=True, related_name="+")
    not_before_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["verb", "procedure", "group"], name="right_verb_procedure_group"),
            models.Index(fields=["verb", "procedure", "person"], name="right_verb_procedure_person"),
            models.Index(fields=["ends_at"], name="right_ends"),
        ]
        constraints = [models.CheckConstraint(condition=Q(verb__in=VERBS), name="right_verb_known")]


class ProcedureUserPermission(UserObjectPermissionBase):
    """Projection for guardian: a row exists while an unrevoked grant gives that verb on that procedure."""

    content_object = models.ForeignKey(Procedure, on_delete=models.PROTECT)


class ProcedureGroupPermission(GroupObjectPermissionBase):
    """The same for groups."""

    content_object = models.ForeignKey(Procedure, on_delete=models.PROTECT)


class ControlChange(models.Model):
    """A proposed change of what decides authority, waiting for its confirmer (rule 14, decisions.md 34)."""

    class State(models.TextChoices):
        PROPOSED = "proposed"
        CONFIRMED = "confirmed"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=uuid7)
    control = models.CharField(max_length=20)
    object = models.JSONField()
    production = models.BooleanField(default=False)
    proposer = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="control_changes")
    confirmer = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    statement = models.BinaryField()
    signatures = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    proposed_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(confirmer__isnull=True) | ~Q(confirmer=F("proposer")), name="control_second_person"
            ),
        ]
