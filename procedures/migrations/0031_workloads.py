"""Workload identity: three tables of their own.

On a live system: quick, new and empty tables. Undo: migrate back, after ending the rules; tokens that were exchanged
hold for a quarter of an hour at most.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', "0030_spaces_hold_more"),
    ]

    operations = [
        migrations.CreateModel(
            name='TrustedIssuer',
            fields=[
                ('name', models.CharField(max_length=63, primary_key=True, serialize=False)),
                ('url', models.CharField(max_length=500)),
                ('object', models.JSONField()),
                ('since_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('url',), name='issuer_is_trusted_once')],
            },
        ),
        migrations.CreateModel(
            name='WorkloadRule',
            fields=[
                ('name', models.CharField(max_length=63, primary_key=True, serialize=False)),
                ('object', models.JSONField()),
                ('since_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='workload_rules', to=settings.AUTH_USER_MODEL)),
                ('confirmed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('issuer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rules', to='procedures.trustedissuer')),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Exchange',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('mark', models.CharField(max_length=255)),
                ('subject', models.CharField(max_length=255)),
                ('claims', models.JSONField()),
                ('at', models.DateTimeField()),
                ('token', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='exchange', to='procedures.apitoken')),
                ('issuer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exchanges', to='procedures.trustedissuer')),
                ('rule', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exchanges', to='procedures.workloadrule')),
            ],
            options={
                'indexes': [models.Index(fields=['rule', '-at'], name='exchange_rule_at')],
                'constraints': [models.UniqueConstraint(fields=('issuer', 'mark'), name='workload_token_taken_once')],
            },
        ),
    ]
