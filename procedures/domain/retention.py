"""How long the evidence of a run is kept at least: a floor that two people set, and what an author adds to it (H36)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from procedures.domain.duration import seconds

CONTROL = "retention"
FLOOR_DAYS = 365  # until a change says otherwise
MOST_DAYS = 36_500
A_DAY_S = 86_400
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["days"],
    "additionalProperties": False,
    "properties": {"days": {"type": "integer", "minimum": 30, "maximum": MOST_DAYS}},
}


def declared_days(evidence: Mapping[str, Any]) -> int:
    """Whole days that an author declares, begun ones counted; 0 for none."""
    text = evidence.get("retention")
    return min(-(-seconds(str(text)) // A_DAY_S), MOST_DAYS) if text else 0


def kept_days(evidence: Mapping[str, Any], floor: int) -> int:
    """How many days a run is kept after its end: the floor, which an author may only lengthen."""
    return max(floor, declared_days(evidence))


def until(ended_at: datetime, days: int) -> datetime:
    """Until when a run that ended then is kept."""
    return ended_at + timedelta(days=days)


def too_short(evidence: Mapping[str, Any], floor: int) -> str:
    """What to tell an author who declares less than the floor, or an empty string."""
    days = declared_days(evidence)
    if not 0 < days < floor:
        return ""
    return f"{evidence['retention']} is below the floor of {floor:,} days, which holds; an author only lengthens"
