"""Comments on runs, answers at gates, and the plan as answers make it.

On a live system: two new tables, and columns that are empty or have a default of the database; quick.
Undo: migrate back once no run waits for an answer; who said what stays in the evidence.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("procedures", "0041_pauses"),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='answered_digest',
            field=models.CharField(blank=True, db_default='', default='', max_length=71),
        ),
        migrations.AddField(
            model_name='run',
            name='answered_plan',
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='waiting_form',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name='GateAnswer',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('gate', models.CharField(max_length=400)),
                ('values', models.JSONField()),
                ('values_sha256', models.CharField(max_length=64)),
                ('duties', models.JSONField(default=list)),
                ('at', models.DateTimeField()),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='answers', to='procedures.run')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('run', 'gate', 'person'), name='gate_answer_once_a_person')],
            },
        ),
        migrations.CreateModel(
            name='RunComment',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('body', models.TextField()),
                ('at', models.DateTimeField()),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('mentions', models.JSONField(default=list)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comments', to='procedures.run')),
            ],
            options={
                'ordering': ('id',),
                'constraints': [models.CheckConstraint(condition=models.Q(('body', ''), _negated=True), name='run_comment_says_something')],
            },
        ),
    ]
