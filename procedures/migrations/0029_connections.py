"""Connections of programs to agents: three tables, empty at first.

On a live system: quick; processes of the release before do not know the tables. Undo: migrate back after revoking the
tokens of connections, which would else live on for half an hour.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0028_deputies'),
    ]

    operations = [
        migrations.CreateModel(
            name='AgentClient',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('name', models.CharField(blank=True, max_length=60)),
                ('redirects', models.JSONField()),
                ('address', models.CharField(blank=True, max_length=64)),
                ('registered_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['address', 'registered_at'], name='agent_client_address'), models.Index(fields=['registered_at'], name='agent_client_registered')],
            },
        ),
        migrations.CreateModel(
            name='Connection',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('verbs', models.JSONField()),
                ('redirect', models.CharField(max_length=500)),
                ('challenge', models.CharField(max_length=43)),
                ('code_sha256', models.CharField(max_length=64, unique=True)),
                ('code_until_at', models.DateTimeField()),
                ('code_used_at', models.DateTimeField(null=True)),
                ('made_at', models.DateTimeField()),
                ('until_at', models.DateTimeField()),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='connections', to=settings.AUTH_USER_MODEL)),
                ('client', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='connections', to='procedures.agentclient')),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('token', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='connection', to='procedures.apitoken')),
            ],
        ),
        migrations.CreateModel(
            name='RefreshToken',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('token_sha256', models.CharField(max_length=64, unique=True)),
                ('made_at', models.DateTimeField()),
                ('until_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refresh_tokens', to='procedures.connection')),
            ],
        ),
        migrations.AddConstraint(
            model_name='connection',
            constraint=models.CheckConstraint(condition=models.Q(('until_at__gt', models.F('made_at'))), name='connection_ends_after_it_begins'),
        ),
        migrations.AddConstraint(
            model_name='connection',
            constraint=models.CheckConstraint(condition=models.Q(('token__isnull', True), ('code_used_at__isnull', False), _connector='OR'), name='connection_token_by_its_code'),
        ),
        migrations.AddIndex(
            model_name='refreshtoken',
            index=models.Index(fields=['until_at'], name='refresh_token_until'),
        ),
    ]
