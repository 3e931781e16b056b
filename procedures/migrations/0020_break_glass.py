"""The register of break-glass: a table of its own, empty at first.

On a live system: nothing waits for it; runners of the release before refuse, at the claim, what only break-glass lets
go ahead. Undo: migrate back; the uses stand in the evidence.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0019_access_requests'),
    ]

    operations = [
        migrations.CreateModel(
            name='GlassBreak',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('plan_digest', models.CharField(max_length=71)),
                ('reason', models.TextField()),
                ('skips', models.JSONField()),
                ('grant', models.UUIDField()),
                ('nonce', models.CharField(max_length=64, unique=True)),
                ('statement', models.BinaryField()),
                ('signatures', models.JSONField()),
                ('at', models.DateTimeField()),
                ('not_after_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('reviewed_at', models.DateTimeField(null=True)),
                ('verdict', models.CharField(blank=True, max_length=12)),
                ('comment', models.TextField(blank=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='glass_breaks', to=settings.AUTH_USER_MODEL)),
                ('reviewer', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='glass_reviews', to=settings.AUTH_USER_MODEL)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='glass_breaks', to='procedures.run')),
            ],
            options={
                'indexes': [models.Index(fields=['person', 'at'], name='glass_of_person')],
                'constraints': [models.UniqueConstraint(fields=('run', 'plan_digest'), name='glass_once_a_plan'), models.CheckConstraint(condition=models.Q(('reviewer__isnull', True), models.Q(('reviewer', models.F('person')), _negated=True), _connector='OR'), name='glass_reviewed_by_somebody_else'), models.CheckConstraint(condition=models.Q(models.Q(('reviewed_at__isnull', True), ('reviewer__isnull', True), ('verdict', '')), models.Q(('reviewed_at__isnull', False), ('reviewer__isnull', False), ('verdict__in', ('justified', 'unjustified'))), _connector='OR'), name='glass_review_is_whole')],
            },
        ),
    ]
