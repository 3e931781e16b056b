"""Deputies: who looks for whom, from when until when. Nobody gains a right by it (decisions/0026)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

DEPUTED: Mapping[str, str] = {"approve": "approvals", "review": "reviews", "manage_access": "access"}
LONGEST = timedelta(days=90)
AHEAD = timedelta(days=365)
ROLE = "deputy"  # in a request's chain: stood in for somebody there when it was asked
WHYS = ("time", "person", "deputy", "left")


def problems(verbs: Sequence[str], from_at: datetime, until_at: datetime, *, at: datetime) -> list[tuple[str, str]]:
    """(pointer, why) for what no naming may say, whoever it names."""
    found = [(f"/verbs/{i}", f"is not one of {', '.join(DEPUTED)}") for i, v in enumerate(verbs) if v not in DEPUTED]
    if not verbs:
        found.append(("/verbs", f"name at least one of {', '.join(DEPUTED)}"))
    if len(set(verbs)) < len(verbs):
        found.append(("/verbs", "names one twice"))
    if until_at <= max(from_at, at):
        found.append(("/until_at", "must lie ahead, and after from_at"))
    elif until_at - max(from_at, at) > LONGEST:
        found.append(("/until_at", f"is more than {LONGEST.days} days after from_at"))
    if from_at > at + AHEAD:
        found.append(("/from_at", f"is more than {AHEAD.days} days ahead"))
    return found
