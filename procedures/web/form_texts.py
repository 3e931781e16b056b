"""Texts of a posted form, read as numbers, JSON or lists of words. Each raises InvalidInput with a pointer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict

from procedures.domain.canonical import parse_moment
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


def until(posted: QueryDict, name: str) -> datetime | None:
    """A day and an hour of UTC, as a browser sends them; nothing typed is None."""
    text = posted.get(name, "").strip()
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError as problem:
        raise InvalidInput([(f"/object/{name}", "is no day and hour such as 2026-12-24T18:00")]) from problem


def moment_in(posted: QueryDict, name: str) -> datetime:
    """A moment as statements write it, which a form carries along."""
    try:
        return parse_moment(posted.get(name, ""))
    except ValueError as problem:
        raise InvalidInput([(f"/{name}", "is no moment such as 2026-12-24T18:00:00.000000Z")]) from problem


def words(posted: QueryDict, name: str) -> list[str]:
    """Words with blanks, commas or lines between them."""
    return posted.get(name, "").replace(",", " ").split()
