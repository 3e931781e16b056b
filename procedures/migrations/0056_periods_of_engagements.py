"""Grants of `audit` may say which runs they are about, by when those were asked for.

On a live system: quick, an empty column. Undo: end every grant that has a period first: without the column it would be about all runs.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("procedures", "0055_kept_until"),
    ]

    operations = [
        migrations.AddField(
            model_name="grant",
            name="period",
            field=models.JSONField(null=True),
        ),
    ]
