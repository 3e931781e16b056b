"""A target may demand a certificate of its host; those that are there demand none.

On a live system: quick, a column with a default that PostgreSQL keeps in the catalogue. Undo: migrate back; hosts are
known by their confirmed key alone again, and targets that demanded more must be confirmed anew.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("procedures", "0050_launch_secrets"),
    ]

    operations = [
        migrations.AddField(
            model_name="target",
            name="host_authority",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
    ]
