"""Runs count what they printed, and what of it is cut off or withheld, and keep marks for whoever looks at them.

On a live system: quick, four columns with defaults in the database; a process of the former release writes none of
them, so that its runs count masked bytes alone.
Undo: migrate back; the counts are lost, and the seals of runs in the log keep theirs.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0051_host_authority'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='cut_bytes',
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='run',
            name='output_marks',
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='run',
            name='printed_bytes',
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='run',
            name='withheld_bytes',
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
    ]
