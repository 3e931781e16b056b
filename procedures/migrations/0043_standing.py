"""Schedules and hooks, and what came of each: two tables of their own.

On a live system: quick, new and empty tables. Undo: migrate back, after ending schedules and hooks; what they asked for
stays.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("procedures", "0042_said_and_asked"),
    ]

    operations = [
        migrations.CreateModel(
            name='Standing',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=8)),
                ('name', models.CharField(max_length=63)),
                ('object', models.JSONField()),
                ('change', models.UUIDField()),
                ('set_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('paused_at', models.DateTimeField(null=True)),
                ('paused_why', models.CharField(blank=True, max_length=300)),
                ('next_at', models.DateTimeField(null=True)),
                ('refusals', models.PositiveIntegerField(default=0)),
                ('secret', models.BinaryField(default=b'')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='standing', to=settings.AUTH_USER_MODEL)),
                ('after', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='followed_by', to='procedures.procedure')),
                ('confirmed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('edited_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('environment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='standing', to='procedures.environment')),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('procedure', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='standing', to='procedures.procedure')),
                ('secret_holder', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Fire',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('planned_at', models.DateTimeField()),
                ('at', models.DateTimeField()),
                ('outcome', models.CharField(max_length=8)),
                ('why', models.CharField(blank=True, max_length=500)),
                ('missed', models.PositiveIntegerField(default=0)),
                ('mark', models.CharField(blank=True, max_length=200)),
                ('proof', models.JSONField(default=dict)),
                ('body', models.BinaryField(default=b'')),
                ('body_kept', models.BooleanField(default=False)),
                ('body_sha256', models.CharField(blank=True, max_length=64)),
                ('followed', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='followed_by', to='procedures.run')),
                ('run', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='fire', to='procedures.run')),
                ('standing', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='fires', to='procedures.standing')),
            ],
        ),
        migrations.AddIndex(
            model_name='standing',
            index=models.Index(fields=['next_at'], name='standing_next'),
        ),
        migrations.AddIndex(
            model_name='standing',
            index=models.Index(fields=['after', 'environment'], name='standing_after'),
        ),
        migrations.AddConstraint(
            model_name='standing',
            constraint=models.UniqueConstraint(fields=('kind', 'name'), name='standing_name_once'),
        ),
        migrations.AddConstraint(
            model_name='standing',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ('schedule', 'hook'))), name='standing_kind_known'),
        ),
        migrations.AddIndex(
            model_name='fire',
            index=models.Index(fields=['standing', '-planned_at'], name='fire_newest'),
        ),
        migrations.AddIndex(
            model_name='fire',
            index=models.Index(condition=models.Q(('outcome', 'waiting')), fields=['at'], name='fire_waiting'),
        ),
        migrations.AddIndex(
            model_name='fire',
            index=models.Index(condition=models.Q(('body_kept', True)), fields=['at'], name='fire_body'),
        ),
        migrations.AddConstraint(
            model_name='fire',
            constraint=models.UniqueConstraint(condition=models.Q(('followed__isnull', True), ('mark', '')), fields=('standing', 'planned_at'), name='fire_once_per_moment'),
        ),
        migrations.AddConstraint(
            model_name='fire',
            constraint=models.UniqueConstraint(condition=models.Q(('followed__isnull', False)), fields=('standing', 'followed'), name='fire_once_per_run'),
        ),
        migrations.AddConstraint(
            model_name='fire',
            constraint=models.UniqueConstraint(condition=models.Q(('mark', ''), _negated=True), fields=('standing', 'mark'), name='delivery_taken_once'),
        ),
        migrations.AddConstraint(
            model_name='fire',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ('waiting', 'asked', 'missed', 'skipped', 'refused'))), name='fire_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='fire',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('outcome', 'asked'), ('run__isnull', False)), models.Q(models.Q(('outcome', 'asked'), _negated=True), ('run__isnull', True)), _connector='OR'), name='fire_has_a_run_exactly_when_asked'),
        ),
    ]
