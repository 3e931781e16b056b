"""A purge that the log does not bear out stays, and says why.

On a live system: quick, two columns with a default. Undo: migrate back; which purges were refused is forgotten, and the
log says it.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("procedures", "0060_cold_at")]

    operations = [
        migrations.AddField("purge", "problem", models.CharField(blank=True, default="", max_length=300)),
        migrations.AddField("purge", "looked_at", models.DateTimeField(null=True)),
    ]
