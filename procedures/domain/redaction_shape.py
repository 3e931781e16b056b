"""What a redaction says: parts of one event, or all that is personal about one subject."""

from __future__ import annotations

from typing import Any

from procedures.domain import legal_holds, retention

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
    },
    "oneOf": [{"required": ["event", "paths"]}, {"required": ["subject"]}],
    "dependentRequired": {"event": ["paths"], "paths": ["event"]},
}
SCHEMAS: dict[str, Any] = {"redaction": SCHEMA, **legal_holds.SCHEMAS, retention.CONTROL: retention.SCHEMA}
