"""What a JSON Schema says of a wrong value, whole: jsonschema-rs names two choices and counts the others."""

from __future__ import annotations

from typing import Any

CHOICES = 40


def told(error: Any, limit: int = 300) -> str:
    """The message of one error; where the value is none of a list of choices, all of these are named."""
    text = str(error.message)
    options = getattr(error.kind, "options", None)
    if "other candidates" in text and options and len(options) <= CHOICES:
        text = f"{text.partition(' is not one of ')[0]} is not one of {', '.join(map(str, options))}"
    return text if len(text) <= limit else text[-limit:]
