"""Legal holds: what must not be erased while somebody may still ask for it; placed by one hand, ended by two people.

A hold names a run, a procedure, a person or a period, or several of them: it covers what fits all that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLACED, ENDED = "legal_hold", "legal_hold_end"
CONTROLS = (PLACED, ENDED)
NAMES = ("run", "procedure", "subject", "from", "until")
UUID = {"type": "string", "format": "uuid"}
LABEL = {"type": "string", "minLength": 1, "maxLength": 200}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
SCHEMAS: dict[str, Any] = {
    PLACED: {
        "type": "object",
        "required": ["basis", "requested_by"],
        "minProperties": 3,
        "additionalProperties": False,
        "properties": {
            "basis": LABEL,
            "requested_by": LABEL,
            "run": UUID,
            "procedure": {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
            "subject": UUID,
            "from": MOMENT,
            "until": MOMENT,
        },
    },
    ENDED: {
        "type": "object",
        "required": ["hold", "reason"],
        "additionalProperties": False,
        "properties": {"hold": UUID, "reason": LABEL},
    },
}
Row = Mapping[str, Any]


def placed(holds: dict[str, dict[str, Any]], change: str, object: Row) -> None:
    """Keep a hold that stands, by the id of the change that placed it."""
    if object["stands"]:
        holds.setdefault(change, dict(object))


def ended(holds: dict[str, dict[str, Any]], object: Row) -> None:
    holds.pop(object["hold"], None)
