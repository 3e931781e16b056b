"""Outages: when the portal could not be used, what could not run, and what was done by hand; entered afterwards.

Signed by two people of the environment, as a change that gives nobody anything (people.md, S5).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from procedures.domain.canonical import parse_moment

CONTROL = "outage"
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
LINE = {"type": "string", "minLength": 1, "maxLength": 300}
ACT = {
    "type": "object",
    "required": ["at", "by", "on", "did"],
    "additionalProperties": False,
    "properties": {
        "at": MOMENT,
        "by": {"type": "string", "format": "uuid"},
        "on": {"type": "string", "minLength": 1, "maxLength": 200},
        "did": {"type": "string", "minLength": 1, "maxLength": 500},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["environment", "from", "to", "cause", "could_not", "acts"],
    "additionalProperties": False,
    "properties": {
        "environment": {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
        "from": MOMENT,
        "to": MOMENT,
        "cause": LINE,
        "could_not": {"type": "array", "items": LINE, "maxItems": 100},
        "acts": {"type": "array", "items": ACT, "maxItems": 200},
    },
}


def problems(object: Mapping[str, Any], *, at: str, people: Collection[str]) -> list[tuple[str, str]]:
    """What a record may not say. `at` is now, as evidence writes it; `people` are subjects that the portal knows."""
    found = [
        (f"/object/{name}", "is no moment")
        for name, text in [("from", object["from"]), ("to", object["to"])]
        if not _is_moment(text)
    ]
    if object["to"] <= object["from"]:
        found.append(("/object/to", "lies before the beginning"))
    if object["to"] > at:
        found.append(("/object/to", "lies in the future: it is recorded when it is over"))
    for number, act in enumerate(object["acts"]):
        if not _is_moment(act["at"]) or not object["from"] <= act["at"] <= object["to"]:
            found.append((f"/object/acts/{number}/at", "is no moment within the outage"))
        if act["by"] not in people:
            found.append((f"/object/acts/{number}/by", "is nobody whom this portal knows"))
    return found


def _is_moment(text: str) -> bool:
    try:
        return bool(parse_moment(text))
    except ValueError:
        return False


def doers(object: Mapping[str, Any]) -> set[str]:
    """Subjects of those who did something by hand."""
    return {str(act["by"]) for act in object["acts"]}
