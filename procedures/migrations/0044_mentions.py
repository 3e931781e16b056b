"""Whom a remark in a review told, and which names in a remark reached nobody.

On a live system: columns with a default of the database, added without a rewrite; older code leaves them empty.
Undo: migrate back; who was told stays in the evidence.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("procedures", "0043_standing"),
    ]

    operations = [
        migrations.AddField(
            model_name='reviewcomment',
            name='mentions',
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='reviewcomment',
            name='untold',
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='runcomment',
            name='untold',
            field=models.JSONField(db_default=[], default=list),
        ),
    ]
