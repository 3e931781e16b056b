"""Directories: what SCIM said of people and groups, in three tables of their own.

On a live system: quick, new and empty tables. Undo: migrate back; the accounts stay, and no directory owns them.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0026_grant_windows_index'),
    ]

    operations = [
        migrations.CreateModel(
            name='DirectoryEntry',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('external_id', models.CharField(blank=True, max_length=255)),
                ('said', models.JSONField(default=dict)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('made_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('left_at', models.DateTimeField(null=True)),
                ('person', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='entry', to=settings.AUTH_USER_MODEL)),
                ('provider', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='procedures.identityprovider')),
            ],
        ),
        migrations.CreateModel(
            name='DirectoryGroup',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=255)),
                ('external_id', models.CharField(blank=True, max_length=255)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('made_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
                ('provider', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='kept_groups', to='procedures.identityprovider')),
            ],
        ),
        migrations.CreateModel(
            name='DirectoryMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entry', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rows', to='procedures.directoryentry')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rows', to='procedures.directorygroup')),
            ],
        ),
        migrations.AddField(
            model_name='directorygroup',
            name='members',
            field=models.ManyToManyField(related_name='kept_in', through='procedures.DirectoryMember', to='procedures.directoryentry'),
        ),
        migrations.AddConstraint(
            model_name='directoryentry',
            constraint=models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('provider', 'external_id'), name='entry_is_one_persons'),
        ),
        migrations.AddConstraint(
            model_name='directorymember',
            constraint=models.UniqueConstraint(fields=('group', 'entry'), name='directory_member_once'),
        ),
        migrations.AddConstraint(
            model_name='directorygroup',
            constraint=models.UniqueConstraint(fields=('provider', 'name'), name='directory_group_has_its_name'),
        ),
        migrations.AddConstraint(
            model_name='directorygroup',
            constraint=models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('provider', 'external_id'), name='directory_group_known_once'),
        ),
    ]
