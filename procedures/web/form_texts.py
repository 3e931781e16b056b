"""Texts of a posted form, read as numbers, JSON or lists of words. Each raises InvalidInput with a pointer."""

from __future__ import annotations

import json
from typing import Any

from django.http import QueryDict

from procedures.domain.errors import InvalidInput


def whole(posted: QueryDict, name: str) -> int:
    try:
        return int(posted.get(name, ""))
    except ValueError as problem:
        raise InvalidInput([(f"/object/{name}", "is not a whole number")]) from problem


def json_object(posted: QueryDict, name: str) -> dict[str, Any]:
    """A JSON object; nothing typed is an empty one."""
    text = posted.get(name, "").strip()
    try:
        value = json.loads(text or "{}")
    except ValueError as problem:
        raise InvalidInput([(f"/object/{name}", f"is not JSON: {problem}")]) from problem
    if not isinstance(value, dict):
        raise InvalidInput([(f"/object/{name}", "is not a JSON object")])
    return value


def words(posted: QueryDict, name: str) -> list[str]:
    """Words with blanks, commas or lines between them."""
    return posted.get(name, "").replace(",", " ").split()
