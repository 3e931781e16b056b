"""Collectors get a table: where the log is streamed to, and how far each has it.

On a live system: quick, a new and empty table. Undo: migrate back; who had the log keeps it, and a new one begins where it is told to.
"""

from django.db import migrations, models

import procedures.domain.ids


class Migration(migrations.Migration):
    dependencies = [
        ("procedures", "0057_purges"),
    ]

    operations = [
        migrations.CreateModel(
            name="Collector",
            fields=[
                ("id", models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=63)),
                ("url", models.CharField(max_length=500)),
                ("first", models.BigIntegerField()),
                ("sent", models.BigIntegerField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("failures", models.IntegerField(default=0)),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("problem_at", models.DateTimeField(null=True)),
                ("next_at", models.DateTimeField()),
                ("event", models.UUIDField()),
                ("since_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)), fields=("name",), name="collector_one_live"
                    )
                ],
            },
        ),
    ]
