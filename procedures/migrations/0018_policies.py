"""Policies and their decisions: two tables of their own, empty at first, so that nothing is refused by the change itself.

On a live system: nothing waits for it; processes of the release before neither ask nor keep a policy, so end them before
the first policy is confirmed. Undo: migrate back; what was confirmed stays in evidence and is proposed anew.
"""


import django.db.models.deletion
import procedures.domain.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0017_notices'),
    ]

    operations = [
        migrations.CreateModel(
            name='Policy',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=63)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('mode', models.CharField(max_length=4)),
                ('object', models.JSONField()),
                ('digest', models.CharField(max_length=71)),
                ('since_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('name',), name='policy_one_live'), models.UniqueConstraint(fields=('name', 'revision'), name='policy_revision_once'), models.CheckConstraint(condition=models.Q(('mode__in', ('on', 'warn', 'off'))), name='policy_mode_known')],
            },
        ),
        migrations.CreateModel(
            name='PolicyDecision',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('stage', models.CharField(max_length=8)),
                ('policies', models.CharField(blank=True, max_length=71)),
                ('input', models.CharField(blank=True, max_length=71)),
                ('denied', models.JSONField(default=list)),
                ('warned', models.JSONField(default=list)),
                ('required', models.JSONField(default=dict)),
                ('event', models.UUIDField()),
                ('at', models.DateTimeField()),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='policy_decisions', to='procedures.run')),
                ('version', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='policy_decisions', to='procedures.version')),
            ],
            options={
                'indexes': [models.Index(fields=['version', '-id'], name='policy_decision_version'), models.Index(fields=['run', '-id'], name='policy_decision_run')],
                'constraints': [models.CheckConstraint(condition=models.Q(('stage__in', ('submit', 'request', 'plan'))), name='policy_decision_stage_known'), models.CheckConstraint(condition=models.Q(models.Q(('run__isnull', True), ('version__isnull', False)), models.Q(('run__isnull', False), ('version__isnull', True)), _connector='OR'), name='policy_decision_of_one_thing')],
            },
        ),
    ]
