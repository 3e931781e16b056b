"""Cold storage gets its table: bundles of bodies of old runs.

On a live system: quick, a new and empty table. Undo: not once a run lies there; its bodies are nowhere else.
"""

from django.db import migrations, models

import procedures.domain.ids


class Migration(migrations.Migration):
    dependencies = [("evidence", "0006_retained")]

    operations = [
        migrations.CreateModel(
            name="ColdBundle",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=procedures.domain.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("run", models.UUIDField(db_index=True)),
                ("data", models.BinaryField()),
            ],
        ),
    ]
