"""Legal holds: while one lives, nothing that it covers is erased, by any door or by SQL (`triggers_held`)."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from procedures.domain.canonical import moment
from procedures.models.people import Person
from procedures.models.runs import Run
from procedures.models.versions import Procedure


class LegalHold(models.Model):
    """What one confirmed change keeps; `id` is that change's. It covers what fits all that it names."""

    id = models.UUIDField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="legal_holds")
    procedure = models.ForeignKey(Procedure, on_delete=models.PROTECT, null=True, related_name="legal_holds")
    subject = models.UUIDField(null=True)
    from_at = models.DateTimeField(null=True)
    until_at = models.DateTimeField(null=True)
    basis = models.CharField(max_length=200)
    requested_by = models.CharField(max_length=200)
    placed_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    placed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(run__isnull=False)
                | Q(procedure__isnull=False)
                | Q(subject__isnull=False)
                | Q(from_at__isnull=False)
                | Q(until_at__isnull=False),
                name="legal_hold_names_something",
            ),
        ]

    def named(self) -> dict[str, Any]:
        """What it names, as its control object says it."""
        said = {
            "run": str(self.run_id) if self.run_id else "",
            "procedure": self.procedure.name if self.procedure else "",
            "subject": str(self.subject) if self.subject else "",
            "from": moment(self.from_at) if self.from_at else "",
            "until": moment(self.until_at) if self.until_at else "",
        }
        return {name: value for name, value in said.items() if value}
