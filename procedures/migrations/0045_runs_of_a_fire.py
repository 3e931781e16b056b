"""A run names what of a schedule or hook it came of, also where it goes on with the run that was asked for.

On a live system: one empty column, its index, and one update of the few rows that a fire names. Undo: migrate back.
"""

import django.db.models.deletion
from django.db import migrations, models


def of_their_fires(apps, schema_editor):
    Run, Fire = apps.get_model("procedures", "Run"), apps.get_model("procedures", "Fire")
    for fire, run in Fire.objects.filter(run__isnull=False).values_list("pk", "run"):
        Run.objects.filter(pk=run).update(of_fire=fire)


class Migration(migrations.Migration):
    dependencies = [
        ("procedures", "0044_mentions"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="of_fire",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="runs", to="procedures.fire"
            ),
        ),
        migrations.RunPython(of_their_fires, migrations.RunPython.noop, elidable=True),
    ]
