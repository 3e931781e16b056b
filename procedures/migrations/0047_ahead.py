"""Approvals given ahead for runs of a schedule: two tables of their own, and up to which risk an environment lets them.

On a live system: quick, new and empty tables, a column with a default that the database knows, a check of a small table.
Undo: migrate back; runs that were let go so stay, and their evidence with them.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0046_tasks_unknown'),
    ]

    operations = [
        migrations.CreateModel(
            name='PreApproval',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('change', models.UUIDField()),
                ('duties', models.JSONField(default=list)),
                ('comment', models.TextField(blank=True)),
                ('plan', models.BinaryField()),
                ('plan_digest', models.CharField(max_length=71)),
                ('runs', models.PositiveIntegerField()),
                ('nonce', models.CharField(max_length=64, unique=True)),
                ('statement', models.BinaryField()),
                ('signatures', models.JSONField(default=list)),
                ('event', models.UUIDField()),
                ('at', models.DateTimeField()),
                ('not_after_at', models.DateTimeField()),
                ('taken_back_at', models.DateTimeField(null=True)),
                ('taken_back_why', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'ordering': ('-at', '-id'),
            },
        ),
        migrations.CreateModel(
            name='PreApprovalUse',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='environment',
            name='ahead_up_to',
            field=models.CharField(blank=True, db_default='', default='', max_length=8),
        ),
        migrations.AddConstraint(
            model_name='environment',
            constraint=models.CheckConstraint(condition=models.Q(('ahead_up_to__in', ['', 'low', 'moderate', 'high']), models.Q(('production', False), models.Q(('ahead_up_to', 'high'), _negated=True), _connector='OR')), name='environment_nothing_high_ahead_in_production'),
        ),
        migrations.AddField(
            model_name='preapproval',
            name='approver',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='preapproval',
            name='standing',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='pre_approvals', to='procedures.standing'),
        ),
        migrations.AddField(
            model_name='preapproval',
            name='taken_back_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='preapprovaluse',
            name='pre_approval',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='uses', to='procedures.preapproval'),
        ),
        migrations.AddField(
            model_name='preapprovaluse',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approved_ahead', to='procedures.run'),
        ),
        migrations.AddConstraint(
            model_name='preapproval',
            constraint=models.CheckConstraint(condition=models.Q(('runs__gte', 1), ('runs__lte', 2500)), name='pre_approval_of_some_runs'),
        ),
        migrations.AddConstraint(
            model_name='preapproval',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('taken_back_at__isnull', True), ('taken_back_by__isnull', True)), models.Q(('taken_back_at__isnull', False), ('taken_back_by__isnull', False)), _connector='OR'), name='pre_approval_taken_back_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='preapprovaluse',
            constraint=models.UniqueConstraint(fields=('pre_approval', 'run'), name='pre_approval_once_for_a_run'),
        ),
    ]
