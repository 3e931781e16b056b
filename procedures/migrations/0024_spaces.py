"""Spaces: a table of their own.

On a live system: quick, a new and empty table. Undo: migrate back; the leads' grants stay, and their leads give no more.
"""

import procedures.domain.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0023_campaigns'),
    ]

    operations = [
        migrations.CreateModel(
            name='Space',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=63, unique=True)),
                ('title', models.CharField(max_length=200)),
                ('leads', models.JSONField()),
                ('procedures', models.JSONField()),
                ('environments', models.JSONField()),
                ('verbs', models.JSONField()),
                ('days', models.PositiveIntegerField()),
                ('risk', models.CharField(max_length=10)),
                ('event', models.UUIDField()),
                ('since_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
            ],
        ),
    ]
