"""Agents: a table of their own, and the door that a token is for.

On a live system: quick, nothing is rewritten; accounts of the kind agent made before lose their password and are
stopped until an access manager makes them by a control change. Undo: migrate back; they stay without a password.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def stop_what_was_made_before(apps, schema_editor):
    person, agent = apps.get_model('procedures', 'Person'), apps.get_model('procedures', 'Agent')
    person.objects.filter(kind='agent', owner__isnull=True).update(kind='service')
    for row in person.objects.filter(kind='agent'):
        person.objects.filter(pk=row.pk).update(password='!', is_staff=False)
        agent.objects.create(person_id=row.pk, stopped_at=row.created_at, since_at=row.created_at)


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('procedures', '0020_break_glass'),
    ]

    operations = [
        migrations.CreateModel(
            name='Agent',
            fields=[
                ('person', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='agent', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('runs_an_hour', models.PositiveIntegerField(default=10)),
                ('stopped_at', models.DateTimeField(null=True)),
                ('since_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='apitoken',
            name='audience',
            field=models.CharField(choices=[('api', 'Api'), ('mcp', 'Mcp'), ('scim', 'Scim')], db_default='api', default='api', max_length=8),
        ),
        migrations.AddConstraint(
            model_name='apitoken',
            constraint=models.CheckConstraint(condition=models.Q(('audience__in', ['api', 'mcp', 'scim'])), name='token_audience_known'),
        ),
        migrations.AddConstraint(
            model_name='agent',
            constraint=models.CheckConstraint(condition=models.Q(('runs_an_hour__gte', 1), ('runs_an_hour__lte', 1000)), name='agent_budget_has_bounds'),
        ),
        migrations.RunPython(stop_what_was_made_before, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='person',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'agent'), _negated=True), models.Q(('is_staff', False), ('owner__isnull', False), ('password__startswith', '!')), _connector='OR'), name='agent_has_an_owner_and_no_password'),
        ),
    ]
