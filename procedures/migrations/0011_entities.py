"""A table of its own: nothing that runs is touched; undone by migrating back, which drops what runs registered."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0010_drafts'),
    ]

    operations = [
        migrations.CreateModel(
            name='Entity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ref', models.CharField(max_length=200, unique=True)),
                ('place', models.CharField(max_length=3000)),
                ('descriptor_sha256', models.CharField(max_length=64)),
                ('commit', models.CharField(max_length=64)),
                ('document', models.JSONField()),
                ('registered_at', models.DateTimeField()),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entities', to='procedures.run')),
            ],
        ),
    ]
