"""How many targets of one environment may change or go at once before a second person looks (H12).

Whoever can write an inventory could move every host of a filter in one import; a bound leaves somebody time to see it.
"""

from __future__ import annotations

from datetime import timedelta

SHARE = 10  # per cent of the environment's live targets
AT_LEAST = 5
WITHIN = timedelta(hours=1)


def most(live: int) -> int:
    """How many of so many targets one hand may change within the hour."""
    return max(AT_LEAST, live * SHARE // 100)
