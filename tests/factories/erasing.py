"""Control objects about what is erased and what is kept."""

from __future__ import annotations

from typing import Any

from procedures.domain.ids import uuid7

ASKED = {"basis": "none", "requested_by": "nobody"}


def objects(subject: str) -> dict[str, dict[str, Any]]:
    """One of each."""
    return {
        "redaction": {"subject": subject, **ASKED},
        "legal_hold": {"procedure": "hello", **ASKED},
        "retention": {"days": 400},
        "legal_hold_end": {"hold": str(uuid7()), "reason": "it is in the way"},
    }
