"""Time stamps of others over checkpoints.

On a live system: quick, two new tables. Undo: migrate back; tokens in packs stay what they are.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('evidence', '0004_logcheck'),
    ]

    operations = [
        migrations.CreateModel(
            name='Anchor',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('authority', models.CharField(max_length=253)),
                ('token', models.BinaryField()),
                ('at', models.DateTimeField()),
                ('checkpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='anchors', to='evidence.checkpoint')),
            ],
        ),
        migrations.CreateModel(
            name='AnchorState',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('wished_size', models.BigIntegerField(default=0)),
                ('problem', models.CharField(default='', max_length=300)),
                ('problem_at', models.DateTimeField(null=True)),
            ],
        ),
    ]
