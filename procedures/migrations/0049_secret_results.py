"""Secret results of runs get a table: what the portal keeps of them it cannot open.

On a live system: quick, a new and empty table; no procedure of the former release declares any.
Undo: migrate back; what waits to be picked up is lost, and the log says that it was made.
"""
import django.db.models.deletion
import procedures.domain.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("procedures", "0048_readings"),
    ]

    operations = [
        migrations.CreateModel(
            name='SecretResult',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=63)),
                ('deliver', models.CharField(max_length=10)),
                ('classification', models.CharField(blank=True, max_length=12)),
                ('where', models.CharField(max_length=1200)),
                ('state', models.CharField(max_length=12)),
                ('why', models.TextField(blank=True)),
                ('recipients', models.JSONField(default=list)),
                ('content', models.BinaryField(null=True)),
                ('content_sha256', models.CharField(blank=True, max_length=64)),
                ('made_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(db_index=True, null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='results', to='procedures.run')),
                ('task', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='results', to='procedures.task')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('task', 'name'), name='result_once_per_task'), models.CheckConstraint(condition=models.Q(('state__in', ('kept', 'picked_up', 'expired', 'erased', 'sending', 'delivered', 'undelivered'))), name='result_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('content__isnull', False), ('expires_at__isnull', False), ('state', 'kept')), models.Q(models.Q(('state', 'kept'), _negated=True), ('content__isnull', True)), _connector='OR'), name='result_is_there_exactly_while_kept')],
            },
        ),
    ]
