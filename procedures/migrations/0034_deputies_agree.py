"""Deputies agree: one column, empty.

On a live system: quick. Whoever stood in so far does so again once they agree; nobody is asked without knowing.
Undo: migrate back; who agreed stays in the evidence.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0033_inventories'),
    ]

    operations = [
        migrations.AddField(
            model_name='deputy',
            name='agreed_at',
            field=models.DateTimeField(null=True),
        ),
    ]
