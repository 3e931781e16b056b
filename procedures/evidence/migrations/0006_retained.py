"""ML-DSA-44 lines of the log under checkpoints that packs keep.

On a live system: quick, two new tables. Undo: migrate back; lines in packs stay what they are.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('evidence', '0005_anchors'),
    ]

    operations = [
        migrations.CreateModel(
            name='Retained',
            fields=[
                ('checkpoint', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='retained', serialize=False, to='evidence.checkpoint')),
                ('line', models.TextField()),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='RetainState',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('wished_size', models.BigIntegerField(default=0)),
            ],
        ),
    ]
