"""Certificates of hosts get a table: what issuers signed, for hosts to fetch.

On a live system: quick, a new and empty table. Undo: migrate back; issuers sign anew after the next migration forward.
"""

import django.db.models.deletion
from django.db import migrations, models

import procedures.domain.ids


class Migration(migrations.Migration):
    dependencies = [
        ("procedures", "0052_what_can_be_read"),
    ]

    operations = [
        migrations.CreateModel(
            name="HostCertificate",
            fields=[
                ("id", models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ("target", models.CharField(max_length=200)),
                ("host_key_sha256", models.CharField(max_length=60)),
                ("authority", models.TextField()),
                ("certificate", models.TextField()),
                ("serial", models.CharField(max_length=20)),
                ("made_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="host_certificates",
                        to="procedures.environment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("environment", "target"), name="host_certificate_once_per_target"
                    ),
                ],
            },
        ),
    ]
