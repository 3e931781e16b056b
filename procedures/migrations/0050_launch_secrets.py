"""What was asked for at a run's launch goes with its end: runs get the moment until which it is kept.

On a live system: a column without a default and a small partial index; then one pass over the runs, which deletes the
sealed values of those that have ended. A runner of the former release leaves them; the next ending of its kind does not.
Undo: migrate back; what was deleted is not there any more.
"""

from django.db import migrations, models
from django.db.models import Q


def forget(apps, schema_editor):
    ended = apps.get_model("procedures", "Run").objects.filter(ended_at__isnull=False)
    ended.exclude(sealed_secrets={}).update(sealed_secrets={})


class Migration(migrations.Migration):
    dependencies = [("procedures", "0049_secret_results")]

    operations = [
        migrations.AddField("run", "secrets_until_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "run",
            models.Index(
                fields=["secrets_until_at"], condition=Q(secrets_until_at__isnull=False), name="run_secrets_left"
            ),
        ),
        migrations.RunPython(forget, migrations.RunPython.noop, elidable=True),
    ]
