"""Runners come and go after installation and say what they can: columns with a default each.

On a live system: quick. Runners report at their next start; until then nothing that they lack is held against them.
Undo: migrate back; enrolments stay in the evidence.
"""

import procedures.models.runs
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("procedures", "0039_queue"),
    ]

    operations = [
        migrations.AddField(
            model_name="environment",
            name="tier",
            field=models.CharField(blank=True, db_default="", default="", max_length=1),
        ),
        migrations.AddField(
            model_name="run",
            name="plan_format",
            field=models.PositiveSmallIntegerField(db_default=1, default=procedures.models.runs.format_of_plans),
        ),
        migrations.AddField(
            model_name="runner",
            name="attested",
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AddField(
            model_name="runner",
            name="event",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="runner",
            name="reported",
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name="runner",
            name="zones",
            field=models.JSONField(db_default=[], default=list),
        ),
    ]
