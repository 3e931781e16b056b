"""What runners read from inventories waits in a table of its own until the scheduler has compared it.

On a live system: quick, a new and empty table; a runner of the former release compares by itself until it is restarted.
Undo: migrate back; what was not compared yet is read again.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("procedures", "0047_ahead"),
    ]

    operations = [
        migrations.CreateModel(
            name='InventoryReading',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('hosts', models.JSONField(default=list)),
                ('notes', models.JSONField(default=list)),
                ('problem', models.TextField(blank=True)),
                ('inventory', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='readings', to='procedures.inventory')),
            ],
        ),
    ]
