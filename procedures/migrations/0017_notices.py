"""Notices, what a person switched off, what was reminded of; the day from which a replacing key counts.

On a live system: three tables, empty at first, and a column without a default rewrite; keys that stand count as they
did. Undo: migrate back; notices that waited are then not sent.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0016_identities'),
    ]

    operations = [
        migrations.AddField(
            model_name='enrolledkey',
            name='counts_from_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name='Reminded',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=30)),
                ('about', models.UUIDField()),
                ('at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('kind', 'about'), name='reminded_once')],
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=30)),
                ('key', models.CharField(max_length=200)),
                ('facts', models.JSONField(default=dict)),
                ('path', models.CharField(max_length=200)),
                ('at', models.DateTimeField()),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('sent', 'Sent'), ('off', 'Off'), ('given_up', 'Given Up')], max_length=10)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('next_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('problem', models.CharField(blank=True, max_length=300)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notices', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['next_at'], name='notice_waiting'), models.Index(fields=['person', '-id'], name='notice_of_person')],
                'constraints': [models.UniqueConstraint(fields=('person', 'key'), name='notice_once'), models.CheckConstraint(condition=models.Q(models.Q(('next_at__isnull', False), ('state', 'waiting')), models.Q(('state', 'waiting'), _negated=True), _connector='OR'), name='notice_waits_until')],
            },
        ),
        migrations.CreateModel(
            name='NoticeOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=30)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notices_off', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('person', 'kind'), name='notice_off_once')],
            },
        ),
    ]
