"""Legal holds get a table: what must not be erased while somebody may still ask for it.

On a live system: quick, a new and empty table. Undo: end every hold first, since nothing keeps what they cover afterwards.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0053_host_certificates'),
    ]

    operations = [
        migrations.CreateModel(
            name='LegalHold',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('subject', models.UUIDField(null=True)),
                ('from_at', models.DateTimeField(null=True)),
                ('until_at', models.DateTimeField(null=True)),
                ('basis', models.CharField(max_length=200)),
                ('requested_by', models.CharField(max_length=200)),
                ('placed_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('placed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('procedure', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='legal_holds', to='procedures.procedure')),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='legal_holds', to='procedures.run')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('run__isnull', False), ('procedure__isnull', False), ('subject__isnull', False), ('from_at__isnull', False), ('until_at__isnull', False), _connector='OR'), name='legal_hold_names_something')],
            },
        ),
    ]
