"""Since when a witness is asked, so that one that is new to an old log owes nothing of before.

On a live system: quick, one column with a default in a table of a few rows. Undo: migrate back.
"""

import procedures.domain.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('evidence', '0002_cosignatures'),
    ]

    operations = [
        migrations.AddField(
            model_name='witnesscontact',
            name='added_at',
            field=models.DateTimeField(default=procedures.domain.clock.now),
        ),
    ]
