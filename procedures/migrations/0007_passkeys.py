"""Columns of passkeys beside those of SSH keys.

On a live system: new columns with defaults in the database, so that processes of the release before go on enrolling
SSH keys. Undo: `migrate procedures` to the migration before; passkeys must be ended first.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0006_artifacts'),
    ]

    operations = [
        migrations.AddField(
            model_name='enrolledkey',
            name='algorithm',
            field=models.CharField(blank=True, db_default='', default='', max_length=10),
        ),
        migrations.AddField(
            model_name='enrolledkey',
            name='credential',
            field=models.CharField(blank=True, db_default='', default='', max_length=1364),
        ),
        migrations.AddField(
            model_name='enrolledkey',
            name='origin',
            field=models.CharField(blank=True, db_default='', default='', max_length=200),
        ),
        migrations.AddField(
            model_name='enrolledkey',
            name='rp',
            field=models.CharField(blank=True, db_default='', default='', max_length=200),
        ),
        migrations.AddField(
            model_name='enrolledkey',
            name='sign_count',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddConstraint(
            model_name='enrolledkey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('credential', ''), ('method', 'ssh'), ('origin', ''), ('rp', '')), models.Q(('method', 'passkey'), models.Q(('credential', ''), _negated=True), models.Q(('rp', ''), _negated=True), models.Q(('origin', ''), _negated=True)), _connector='OR'), name='key_is_whole'),
        ),
    ]
