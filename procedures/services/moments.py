"""Whose clock decides (H35): the database's, read where the decision is made. No process may be far from it."""

from __future__ import annotations

from datetime import datetime

from procedures.domain.clock import SKEW
from procedures.domain.errors import OpsError
from procedures.evidence.moments import database_now


class ClockSkewed(OpsError):
    """This process's clock is too far from the database's: it would judge windows and expiries wrongly."""

    code = "clock.skewed"
    next_step = "Set this machine's clock (chrony or systemd-timesyncd); runs stay queued until then."


def agreed(at: datetime) -> datetime:
    """The database's time, if this process's own, `at`, is within five seconds of it. Raises ClockSkewed."""
    found = database_now()
    if abs(found - at) > SKEW:
        ahead = (at - found).total_seconds()
        word = "ahead of" if ahead > 0 else "behind"
        raise ClockSkewed(
            f"This process's clock is {abs(ahead):.0f} s {word} the database's; no more than {SKEW.seconds} s are let."
        )
    return found


__all__ = ["SKEW", "ClockSkewed", "agreed", "database_now"]
