"""What the scheduler does every second: send again, expire, interrupt the lost, count refusals.

What it erases it erases by the log's word and not by a row's: `runner/erasing.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from procedures.domain.states import RunState
from procedures.models import Environment, Run
from procedures.queries import queue
from procedures.services import cold, dispatch
from procedures.services.access_answers import lapse_requests
from procedures.services.campaign_ends import end_campaigns
from procedures.services.collector_alarms import alarm as collector_alarm
from procedures.services.connection_keys import forget as forget_clients
from procedures.services.continuing import go_on_by_itself
from procedures.services.deliveries import forget_bodies
from procedures.services.deputies import end_deputies
from procedures.services.endings import expire_overdue, interrupt_lost
from procedures.services.fires import fire_due
from procedures.services.grant_rights import sweep as sweep_rights
from procedures.services.inventories import send_due
from procedures.services.inventory_readings import take_readings
from procedures.services.launch_secrets import forget_secrets
from procedures.services.life import expire_acceptances
from procedures.services.notices import forget
from procedures.services.reminding import remind
from procedures.services.remotes import end_overdue
from procedures.services.storage_alarms import alarm as storage_alarm
from procedures.services.trial_claims import sweep_trials
from procedures.services.unit import coalesced_denials
from procedures.services.witness_alarms import alarm

RESEND_AFTER = timedelta(seconds=3)
MOST = 100  # messages a second for one environment


def sweep(*, at: datetime, deaf: bool = False) -> dict[str, int]:
    """One round; how many of each. Every part is safe to repeat and to run beside another sweeper.

    `deaf`: the database was away a moment ago, so that silence of runners proves nothing yet.
    """
    return {
        "interrupted": len(interrupt_lost(at=at, deaf=deaf)),
        "leases": end_overdue(at=at),
        "secrets": forget_secrets(at=at),
        "gone_on": go_on_by_itself(at=at),
        "expired": expire_overdue(at=at),
        "acceptances": expire_acceptances(at=at),
        "campaigns": end_campaigns(at=at),
        "fires": fire_due(at=at),
        "readings": take_readings(at=at),
        "inventories": send_due(at=at),
        "access_requests": lapse_requests(at=at),
        "sent_again": send_again(at=at),
        "cold": cold.sweep(at=at),
        "trials": sweep_trials(at=at),
        "deputies": end_deputies(at=at),
        "rights": sweep_rights(at=at),
        "denials": coalesced_denials(at),
        "reminders": remind(at=at),
        "bodies": forget_bodies(at=at),
        "notices": forget(at=at),
        "clients": forget_clients(at=at),
        "witnesses": alarm(at=at),
        "collectors": collector_alarm(at=at),
        "storage": storage_alarm(at=at),
    }


def send_again(*, at: datetime) -> int:
    """Nudge for runs that have stood in the queue for more than three seconds; stops at the first broker failure.

    Each environment gets its own share, so that none with a long queue keeps another waiting, and a stopped one gets
    none. A message is a hint: whichever run is next goes, so as many as may start at once are enough.
    """
    old = Run.objects.filter(state=RunState.QUEUED.value, state_since__lt=at - RESEND_AFTER).order_by("queued_at")
    waiting = [(run, where, True) for run, where in old.filter(draft=True).values_list("id", "environment_id")[:MOST]]
    for environment in Environment.objects.all():
        if old.filter(environment=environment, draft=False).exists():
            waiting += [(run, environment.name, False) for run in queue.next_up(environment, at, MOST)]
    sent = 0
    for run, where, draft in waiting:
        if not dispatch.nudge(run, where, draft=draft):
            break
        sent += 1
    return sent
