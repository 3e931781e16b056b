"""Code apps: a table of its own, empty at first.

On a live system: nothing waits for it; processes of the release before do not know it. Undo: migrate back; code apps
are then set up anew.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0013_manuscripts'),
    ]

    operations = [
        migrations.CreateModel(
            name='CodeApp',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('sealed', models.BinaryField()),
                ('made_at', models.DateTimeField()),
                ('enrolled_at', models.DateTimeField(null=True)),
                ('removed_at', models.DateTimeField(null=True)),
                ('last_step', models.BigIntegerField(default=0)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='code_apps', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('removed_at__isnull', True)), fields=('person',), name='code_app_one_each')],
            },
        ),
    ]
