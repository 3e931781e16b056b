"""Notices that their person has read.

On a live system: quick, a new empty column. Undo: migrate back; what was read is unread again.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0024_spaces'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='read_at',
            field=models.DateTimeField(null=True),
        ),
    ]
