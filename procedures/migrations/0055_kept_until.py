"""Runs get the time that their evidence is kept: how many days after the end, what of it the author declares, the date.

On a live system: three columns, of which none rewrites the table, and a partial index. Runs of before, and those that
software of before ends, have no date: they are kept for a year after their end. Undo: migrate back; the dates stand in
the seals all the same.
"""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("procedures", "0054_legal_holds")]

    operations = [
        migrations.AddField("run", "declared_days", models.PositiveIntegerField(db_default=0, default=0)),
        migrations.AddField("run", "kept_days", models.PositiveIntegerField(db_default=365, default=365)),
        migrations.AddField("run", "kept_until_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "run",
            models.Index(fields=["kept_until_at"], condition=Q(kept_until_at__isnull=False), name="run_kept_until"),
        ),
    ]
