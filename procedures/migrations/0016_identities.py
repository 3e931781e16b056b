"""Identity providers, the people they vouch for, and answers of theirs that were used: tables of their own, empty at first.

On a live system: nothing waits for it; processes of the release before do not know them. Undo: migrate back; people
then sign in by password alone.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0015_tokens_and_sessions'),
    ]

    operations = [
        migrations.CreateModel(
            name='IdentityProvider',
            fields=[
                ('name', models.CharField(max_length=63, primary_key=True, serialize=False)),
                ('object', models.JSONField()),
                ('since_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.AlterField(
            model_name='onetimelink',
            name='purpose',
            field=models.CharField(choices=[('bootstrap', 'Bootstrap'), ('invite', 'Invite'), ('cli', 'Cli')], max_length=10),
        ),
        migrations.CreateModel(
            name='Identity',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('subject', models.CharField(max_length=255)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('email', models.CharField(blank=True, max_length=254)),
                ('linked_at', models.DateTimeField()),
                ('last_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='identities', to=settings.AUTH_USER_MODEL)),
                ('provider', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='identities', to='procedures.identityprovider')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('provider', 'subject'), name='identity_is_one_persons'), models.CheckConstraint(condition=models.Q(('subject', ''), _negated=True), name='identity_has_a_subject')],
            },
        ),
        migrations.CreateModel(
            name='Assertion',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('assertion', models.CharField(max_length=255)),
                ('question', models.CharField(max_length=255)),
                ('handle_sha256', models.CharField(max_length=64, unique=True)),
                ('said', models.JSONField(null=True)),
                ('taken_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('provider', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='procedures.identityprovider')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('provider', 'assertion'), name='assertion_taken_once')],
            },
        ),
    ]
