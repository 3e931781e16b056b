"""Spaces own by labels too, and hold targets and a number of grants.

On a live system: quick, columns of a small table. Undo: migrate back; the issuer and the log keep what was signed.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0029_connections'),
    ]

    operations = [
        migrations.AddField(
            model_name='space',
            name='at_once',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='space',
            name='labels',
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name='space',
            name='targets',
            field=models.JSONField(default=list),
        ),
    ]
