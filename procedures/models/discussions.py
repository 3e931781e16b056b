"""The discussion of a version, remark by remark, each at a line of its exact bytes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from procedures.domain.ids import uuid7
from procedures.models.people import Person
from procedures.models.versions import Version


class ReviewComment(models.Model):
    """One remark. `thread` is the remark that it answers, null for the one that begins a thread.

    `path` empty means the whole version, `line` null the whole file; `line_text` is what the line said. A thread is
    open until `resolved_at`; neither state counts as a decision. `mentions` are the subjects of those who were told of
    it, `untold` names in it that reached nobody.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="comments")
    digest = models.CharField(max_length=71)
    path = models.CharField(max_length=500, blank=True)
    line = models.PositiveIntegerField(null=True)
    line_text = models.CharField(max_length=500, blank=True)
    thread = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="replies")
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    body = models.TextField()
    mentions = models.JSONField(default=list, db_default=[])
    untold = models.JSONField(default=list, db_default=[])
    at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(body=""), name="comment_says_something"),
            models.CheckConstraint(condition=Q(line__isnull=True) | ~Q(path=""), name="comment_line_of_a_file"),
            models.CheckConstraint(
                condition=Q(thread__isnull=True) | Q(resolved_at__isnull=True), name="comment_resolves_whole_threads"
            ),
        ]
