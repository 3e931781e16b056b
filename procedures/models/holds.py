"""What runs need to themselves while they are under way."""

from __future__ import annotations

from django.db import models

from procedures.models.runs import Run


class Hold(models.Model):
    """A name that at most `most` runs hold at once: a concurrency group (rule 13 included) or a target's lock.

    Written when the run is planned and held from its claim on (domain/holds.py); gone when the run has ended.
    """

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="holds")
    name = models.CharField(max_length=500, db_index=True)
    most = models.PositiveSmallIntegerField(default=1, db_default=1)

    class Meta:
        db_table = "procedures_rungroup"
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="run_group_once")]
