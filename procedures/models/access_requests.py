"""Access requests: who asked for what, how it was answered, and the change that gave it."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q

from procedures.domain.access_requests import ENDED_ACCESS_REQUESTS, AccessRequestState
from procedures.domain.ids import uuid7
from procedures.models.access import ControlChange, Grant
from procedures.models.people import Person
from procedures.models.versions import Procedure

UNDER_WAY = sorted(state.value for state in set(AccessRequestState) - ENDED_ACCESS_REQUESTS)


class AccessRequest(models.Model):
    """One wish. `person` or `group` would gain; `procedure` is null only where a grant over several is extended.

    `mark` is the same for two requests that ask for the same, `kept` are limits of the extended grant that its
    successor must carry; `change` is the grant's proposal, `answer` the reason of a refusal or lapse, `narrowed` the
    fields in which less was given than asked.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    asker = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="access_requests")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, null=True, related_name="+")
    procedure = models.ForeignKey(Procedure, on_delete=models.PROTECT, null=True, related_name="access_requests")
    verbs = models.JSONField()
    environments = models.JSONField()
    days = models.PositiveSmallIntegerField()
    reason = models.TextField()
    extends = models.ForeignKey(Grant, on_delete=models.PROTECT, null=True, related_name="extensions")
    kept = models.JSONField(default=dict)
    mark = models.CharField(max_length=64)
    state = models.CharField(max_length=9, default=AccessRequestState.OPEN.value)
    state_since = models.DateTimeField()
    asked_at = models.DateTimeField()
    lapses_at = models.DateTimeField()
    change = models.ForeignKey(ControlChange, on_delete=models.PROTECT, null=True, related_name="access_requests")
    decided_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    answer = models.TextField(blank=True)
    narrowed = models.JSONField(default=list)

    class Meta:
        indexes = [models.Index(fields=["state", "lapses_at"], name="access_request_state")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in AccessRequestState]), name="access_request_state_known"
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=True, group__isnull=False) | Q(person__isnull=False, group__isnull=True),
                name="access_request_person_or_group",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("asker")), name="access_request_second_person"
            ),
            models.CheckConstraint(
                condition=Q(procedure__isnull=False) | Q(extends__isnull=False), name="access_request_of_something"
            ),
            models.UniqueConstraint(
                fields=["mark"], condition=Q(state__in=UNDER_WAY), name="access_request_once_under_way"
            ),
        ]
