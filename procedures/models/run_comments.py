"""What people say at a run: remarks in their order, and whom each mentions."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.people import Person
from procedures.models.runs import Run


class RunComment(models.Model):
    """One remark; it decides nothing. `mentions` are the subjects of those who were told of it, `untold` names in it
    that reached nobody.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    body = models.TextField()
    mentions = models.JSONField(default=list)
    untold = models.JSONField(default=list, db_default=[])
    at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = [models.CheckConstraint(condition=~Q(body=""), name="run_comment_says_something")]
