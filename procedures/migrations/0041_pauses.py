"""Pauses: a limit for each environment, and on a run who asked for a pause and how long it has waited.

On a live system: columns with a default of the database, added without a rewrite; one index on an empty column.
Undo: migrate back once no run is paused; who paused what stays in the evidence.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("procedures", "0040_runners"),
    ]

    operations = [
        migrations.AddField(
            model_name='environment',
            name='pause_limit_s',
            field=models.PositiveIntegerField(db_default=86400, default=86400),
        ),
        migrations.AddField(
            model_name='run',
            name='pause_asked_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='pause_asked_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='run',
            name='pause_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=2000),
        ),
        migrations.AddField(
            model_name='run',
            name='paused_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='waits',
            field=models.JSONField(db_default=[], default=list),
        ),
    ]
