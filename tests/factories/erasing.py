"""Control objects about evidence: what is erased, what is kept, where it goes, what is told of an outage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.ids import uuid7

ASKED = {"basis": "none", "requested_by": "nobody"}


def objects(subject: str) -> dict[str, dict[str, Any]]:
    """One of each."""
    begun, over = (moment(now() - timedelta(hours=hours)) for hours in (2, 1))
    acts = [{"at": begun, "by": subject, "on": "web-1", "did": "all of it"}]
    outage = {"environment": "production", "from": begun, "to": over, "cause": "nobody knows", "could_not": []}
    return {
        "redaction": {"subject": subject, **ASKED},
        "legal_hold": {"procedure": "hello", **ASKED},
        "retention": {"days": 400},
        "collector": {"name": "siem", "url": "https://evil.example/log", "start": "beginning", "action": "set"},
        "outage": {**outage, "acts": acts},
        "legal_hold_end": {"hold": str(uuid7()), "reason": "it is in the way"},
    }
