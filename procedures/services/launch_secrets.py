"""What was asked for at the launch of runs that ended and may go on: deleted when nobody can go on any more."""

from __future__ import annotations

from datetime import datetime

from procedures.domain.states import TERMINAL_RUN_STATES
from procedures.models import Run
from procedures.services import continuing

OVER = frozenset(state.value for state in TERMINAL_RUN_STATES)
MOST = 200


def forget_secrets(*, at: datetime) -> int:
    """Delete those with which nobody goes on any more, or whose time is over. Returns of how many runs."""
    ended = Run.objects.filter(secrets_until_at__isnull=False).select_related("procedure", "environment")
    gone = [run.pk for run in ended.order_by("secrets_until_at")[:MOST] if _over(run, at)]
    return Run.objects.filter(pk__in=gone).update(sealed_secrets={}, secrets_until_at=None) if gone else 0


def _over(run: Run, at: datetime) -> bool:
    if run.secrets_until_at is None or run.secrets_until_at <= at:
        return True
    if any(later.state not in OVER and later.started_at is None for later in run.continued_by.all()):
        return False  # that one may still be denied or expire, and somebody else go on then
    return continuing.refusal(run) is not None
