"""Inventories: three new tables, and on targets their owner, the inventory that they come from and since when it misses
them.

On a live system: quick; new tables are empty and new columns have a default. Undo: migrate back; targets stay as they are.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0032_runs_again'),
    ]

    operations = [
        migrations.AddField(
            model_name='target',
            name='inventory',
            field=models.CharField(blank=True, max_length=63),
        ),
        migrations.AddField(
            model_name='target',
            name='missing_since_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='target',
            name='owner',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.CreateModel(
            name='Inventory',
            fields=[
                ('name', models.SlugField(max_length=63, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=20)),
                ('settings', models.JSONField(default=dict)),
                ('trust', models.CharField(default='key', max_length=12)),
                ('every_s', models.PositiveIntegerField()),
                ('takes', models.BooleanField(default=False)),
                ('event', models.UUIDField()),
                ('since_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('asked_at', models.DateTimeField(null=True)),
                ('nudged_at', models.DateTimeField(null=True)),
                ('synced_at', models.DateTimeField(null=True)),
                ('problem', models.TextField(blank=True)),
                ('environment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='inventories', to='procedures.environment')),
                ('set_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('name',),
            },
        ),
        migrations.CreateModel(
            name='InventorySync',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('digest', models.CharField(max_length=71)),
                ('hosts', models.JSONField(default=list)),
                ('notes', models.JSONField(default=list)),
                ('differences', models.JSONField(default=list)),
                ('taken', models.PositiveIntegerField(default=0)),
                ('inventory', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='syncs', to='procedures.inventory')),
            ],
        ),
        migrations.CreateModel(
            name='TargetContact',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=12)),
                ('message', models.CharField(blank=True, max_length=300)),
                ('at', models.DateTimeField()),
                ('reached_at', models.DateTimeField(null=True)),
                ('target', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='contact', to='procedures.target')),
            ],
        ),
        migrations.AddConstraint(
            model_name='inventory',
            constraint=models.CheckConstraint(condition=models.Q(('trust__in', ['key', 'restricted', 'certificate'])), name='inventory_trust_known'),
        ),
        migrations.AddConstraint(
            model_name='targetcontact',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['reached', 'unreachable', 'other_key'])), name='contact_state_known'),
        ),
    ]
