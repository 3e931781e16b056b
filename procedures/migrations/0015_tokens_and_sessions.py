"""What a token is for, and the sessions that are open.

On a live system: new columns have defaults in the database (a token of before: all that its owner may ask for), the new
table is empty, and a session from before is written down when it is next used. Undo: migrate back; tokens made since then
may all that their owners may ask for, so revoke them first.
"""

import django.db.models.deletion
import procedures.domain.ids
import procedures.models.tokens
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0014_code_apps'),
    ]

    operations = [
        migrations.CreateModel(
            name='OpenSession',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('kind', models.CharField(default='web', max_length=3)),
                ('device', models.CharField(blank=True, max_length=300)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('began_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('until_at', models.DateTimeField()),
                ('proved', models.CharField(default='session', max_length=8)),
                ('proved_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name='apitoken',
            name='environments',
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='procedures',
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='replaces',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='procedures.apitoken'),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='verbs',
            field=models.JSONField(db_default=['discover', 'view', 'run', 'cancel', 'read_output', 'author'], default=procedures.models.tokens.every_verb),
        ),
        migrations.AddConstraint(
            model_name='apitoken',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='token_ends_after_it_begins'),
        ),
        migrations.AddField(
            model_name='opensession',
            name='person',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='opensession',
            index=models.Index(fields=['person', '-seen_at'], name='session_person_seen'),
        ),
        migrations.AddConstraint(
            model_name='opensession',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['web', 'cli'])), name='session_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='opensession',
            constraint=models.CheckConstraint(condition=models.Q(('proved__in', ['session', 'totp', 'signed'])), name='session_proved_known'),
        ),
    ]
