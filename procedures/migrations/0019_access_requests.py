"""Access requests: a table of its own, empty at first.

On a live system: nothing waits for it; processes of the release before do not know it. Undo: migrate back; requests go
with it, the grants that they led to stay.
"""

import django.db.models.deletion
import procedures.domain.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('procedures', '0018_policies'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccessRequest',
            fields=[
                ('id', models.UUIDField(default=procedures.domain.ids.uuid7, primary_key=True, serialize=False)),
                ('verbs', models.JSONField()),
                ('environments', models.JSONField()),
                ('days', models.PositiveSmallIntegerField()),
                ('reason', models.TextField()),
                ('kept', models.JSONField(default=dict)),
                ('mark', models.CharField(max_length=64)),
                ('state', models.CharField(default='open', max_length=9)),
                ('state_since', models.DateTimeField()),
                ('asked_at', models.DateTimeField()),
                ('lapses_at', models.DateTimeField()),
                ('answer', models.TextField(blank=True)),
                ('narrowed', models.JSONField(default=list)),
                ('asker', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='access_requests', to=settings.AUTH_USER_MODEL)),
                ('change', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='access_requests', to='procedures.controlchange')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('extends', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='extensions', to='procedures.grant')),
                ('group', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='auth.group')),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('procedure', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='access_requests', to='procedures.procedure')),
            ],
            options={
                'indexes': [models.Index(fields=['state', 'lapses_at'], name='access_request_state')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['open', 'proposed', 'granted', 'refused', 'withdrawn', 'lapsed'])), name='access_request_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('group__isnull', False), ('person__isnull', True)), models.Q(('group__isnull', True), ('person__isnull', False)), _connector='OR'), name='access_request_person_or_group'), models.CheckConstraint(condition=models.Q(('decided_by__isnull', True), models.Q(('decided_by', models.F('asker')), _negated=True), _connector='OR'), name='access_request_second_person'), models.CheckConstraint(condition=models.Q(('procedure__isnull', False), ('extends__isnull', False), _connector='OR'), name='access_request_of_something'), models.UniqueConstraint(condition=models.Q(('state__in', ['open', 'proposed'])), fields=('mark',), name='access_request_once_under_way')],
            },
        ),
    ]
