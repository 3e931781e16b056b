"""Campaigns: two tables, empty at first, and an index by which runs of a grant are found.

On a live system: the index holds writes to runs up for about a second per million rows; processes of the release before
do not know the tables. Undo: migrate back; what campaigns ended stays ended.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('procedures', '0022_grants_whole'),
    ]

    operations = [
        migrations.CreateModel(
            name='Campaign',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('select', models.JSONField()),
                ('set_digest', models.CharField(max_length=71)),
                ('count', models.PositiveIntegerField()),
                ('reviewers', models.JSONField()),
                ('opened_at', models.DateTimeField()),
                ('due_at', models.DateTimeField()),
                ('state', models.CharField(default='open', max_length=6)),
                ('closed_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='CampaignItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('decision', models.CharField(blank=True, max_length=6)),
                ('decided_at', models.DateTimeField(null=True)),
                ('reason', models.TextField(blank=True)),
            ],
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['grant'], name='run_grant'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='change',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='procedures.controlchange'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='opened_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='campaignitem',
            name='campaign',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='items', to='procedures.campaign'),
        ),
        migrations.AddField(
            model_name='campaignitem',
            name='change',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='campaign_items', to='procedures.controlchange'),
        ),
        migrations.AddField(
            model_name='campaignitem',
            name='decided_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='campaignitem',
            name='grant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='campaign_items', to='procedures.grant'),
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['open', 'closed'])), name='campaign_state_known'),
        ),
        migrations.AddConstraint(
            model_name='campaignitem',
            constraint=models.UniqueConstraint(fields=('campaign', 'grant'), name='campaign_item_once'),
        ),
        migrations.AddConstraint(
            model_name='campaignitem',
            constraint=models.CheckConstraint(condition=models.Q(('decision__in', ['', 'keep', 'narrow', 'revoke', 'lapsed', 'ended'])), name='campaign_item_decision_known'),
        ),
    ]
