"""What changes of the evidence itself say: what is erased, held, kept, and where it is streamed to."""

from __future__ import annotations

from typing import Any

from procedures.domain import collectors, legal_holds, outages, retention

MOST_RUNS = 5000  # of one purge: what people sign names each
UUID = {"type": "string", "format": "uuid"}
LABEL = {"type": "string", "minLength": 1, "maxLength": 200}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["basis", "requested_by"],
    "additionalProperties": False,
    "properties": {
        "basis": LABEL,
        "requested_by": LABEL,
        "event": UUID,
        "paths": {
            "type": "array",
            "items": {"type": "string", "pattern": "^/", "maxLength": 200},
            "minItems": 1,
            "uniqueItems": True,
        },
        "subject": UUID,
        "runs": {"type": "array", "items": UUID, "minItems": 1, "maxItems": MOST_RUNS, "uniqueItems": True},
        "behind": {"type": "array", "items": UUID, "uniqueItems": True},  # who asked for these runs, or stands behind
    },
    "oneOf": [{"required": ["event", "paths"]}, {"required": ["subject"]}, {"required": ["runs", "behind"]}],
    "dependentRequired": {"event": ["paths"], "paths": ["event"], "runs": ["behind"], "behind": ["runs"]},
}
SCHEMAS: dict[str, Any] = {
    "redaction": SCHEMA,
    **legal_holds.SCHEMAS,
    retention.CONTROL: retention.SCHEMA,
    collectors.CONTROL: collectors.SCHEMA,
    outages.CONTROL: outages.SCHEMA,
}
