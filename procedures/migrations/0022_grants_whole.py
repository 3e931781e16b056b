"""Grants that grow, and what a grant leaves unconstrained: two columns with defaults that the database gives.

On a live system: both are added at once, the index takes seconds for 100,000 grants; processes of the release before go on without them. Undo: migrate back;
grants that grow then keep the rights that they have at that moment.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0021_agents'),
    ]

    operations = [
        migrations.AddField(
            model_name='grant',
            name='grows',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='grant',
            name='unconstrained',
            field=models.JSONField(db_default=models.Value([], models.JSONField()), default=list),
        ),
        migrations.AddIndex(
            model_name='grantright',
            index=models.Index(fields=['ends_at'], name='right_ends'),
        ),
    ]
