"""What witnesses cosigned, and how it stands with each of them: two tables of their own.

On a live system: quick, new and empty tables. Undo: migrate back; cosignatures in packs and notes stay good.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('evidence', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='WitnessContact',
            fields=[
                ('witness', models.CharField(max_length=300, primary_key=True, serialize=False)),
                ('size', models.BigIntegerField(default=0)),
                ('cosigned_at', models.DateTimeField(null=True)),
                ('problem', models.CharField(default='', max_length=300)),
                ('problem_at', models.DateTimeField(null=True)),
                ('forgot_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Cosignature',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('witness', models.CharField(max_length=300)),
                ('line', models.TextField()),
                ('at', models.DateTimeField()),
                ('checkpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cosignatures', to='evidence.checkpoint')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('checkpoint', 'witness'), name='cosignature_once')],
            },
        ),
    ]
