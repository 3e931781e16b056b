"""Purges get a table: runs whose time is over, and which two people agreed to erase.

On a live system: quick, a new and empty table. Undo: migrate back once no purge waits; what was erased is gone, and the
log says by whose agreement.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

import procedures.domain.ids


class Migration(migrations.Migration):
    dependencies = [("procedures", "0056_periods_of_engagements")]

    operations = [
        migrations.CreateModel(
            name="Purge",
            fields=[
                ("id", models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="purge",
                        to="procedures.run",
                    ),
                ),
                ("change", models.UUIDField()),
                ("agreed_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(condition=Q(done_at__isnull=True), fields=["agreed_at"], name="purge_due"),
                ],
            },
        ),
    ]
