"""Deputies with dates, and decisions that one person asked another to take: two tables.

On a live system: quick, they are new and empty. Undo: migrate back; who stood in for whom stays in the evidence.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0027_directories'),
    ]

    operations = [
        migrations.CreateModel(
            name='DecisionAsked',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('what', models.CharField(choices=[('run', 'Run'), ('version', 'Version'), ('change', 'Change'), ('access_request', 'Access Request')], max_length=20)),
                ('about', models.UUIDField()),
                ('mark', models.CharField(blank=True, max_length=200)),
                ('reason', models.TextField()),
                ('at', models.DateTimeField()),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='asked_to_decide', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('what', 'about', 'mark', 'person'), name='decision_asked_once'), models.CheckConstraint(condition=models.Q(('person', models.F('by')), _negated=True), name='decision_asked_of_another')],
            },
        ),
        migrations.CreateModel(
            name='Deputy',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('verbs', models.JSONField()),
                ('from_at', models.DateTimeField()),
                ('until_at', models.DateTimeField()),
                ('named_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('why', models.CharField(blank=True, max_length=10)),
                ('deputy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='stands_in', to=settings.AUTH_USER_MODEL)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deputies', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('ended_at__isnull', True)), fields=['until_at'], name='deputy_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(('person', models.F('deputy')), _negated=True), name='deputy_is_another'), models.CheckConstraint(condition=models.Q(('until_at__gt', models.F('from_at'))), name='deputy_ends_after_it_begins')],
            },
        ),
    ]
