"""What whole checks of the evidence found.

On a live system: quick, a new table. Undo: migrate back; what was found is lost, and the next check finds it again.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('evidence', '0003_witness_added'),
    ]

    operations = [
        migrations.CreateModel(
            name='LogCheck',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('began_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField()),
                ('events', models.BigIntegerField()),
                ('found', models.BigIntegerField()),
                ('unsure', models.BigIntegerField()),
                ('findings', models.JSONField(default=list)),
            ],
        ),
    ]
