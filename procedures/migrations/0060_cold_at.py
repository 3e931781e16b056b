"""A run says since when the bodies of its events lie in cold storage.

On a live system: a column without a value is quick; the index is built over every run, some seconds for a million. Undo:
migrate back; the sweeper looks at each old run once more.
"""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("procedures", "0059_transcript_seeds")]

    operations = [
        migrations.AddField("run", "cold_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "run",
            models.Index(
                fields=["ended_at"], condition=Q(cold_at__isnull=True, ended_at__isnull=False), name="run_still_warm"
            ),
        ),
    ]
