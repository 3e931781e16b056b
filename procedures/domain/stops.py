"""Stop switches: of the portal, an environment or a procedure. Anybody with the duty throws one; lifting is a change.

In production whoever threw a switch does not lift it: they count among those who gain, for portal, issuer and verifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
REASON = 200
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["stop", "reason"],
    "additionalProperties": False,
    "properties": {
        "stop": {"type": "string", "format": "uuid"},
        "reason": {"type": "string", "minLength": 1, "maxLength": REASON},
        "environment": NAME,
        "procedure": NAME,
    },
    "not": {"required": ["environment", "procedure"]},
}
Row = Mapping[str, Any]


def thrown(stops: dict[str, dict[str, Any]], facts: Row, by: str) -> None:
    """Keep what an event says was stopped, by id; an id counts once, as it stood first."""
    stops.setdefault(
        str(facts["stop"]), {"by": by, "environment": facts["environment"], "procedure": facts["procedure"]}
    )


def lifted(stops: dict[str, dict[str, Any]], object: Row) -> None:
    """A lift that stands ends the stop that it names, if that stops what the lift says it does."""
    row = stops.get(object["stop"])
    if row is not None and of(row) == of(object):
        del stops[object["stop"]]


def thrower(stops: Mapping[str, Row], object: Row) -> set[str]:
    """Who threw the switch that a lift names."""
    row = stops.get(object["stop"])
    return set() if row is None or not row["by"] else {row["by"]}


def of(row: Row) -> tuple[str, str]:
    """What a stop stops: (environment, procedure), both empty for the whole portal."""
    return row.get("environment") or "", row.get("procedure") or ""


def covering(stops: Mapping[str, Row], environment: str, procedures: Iterable[str]) -> str:
    """What stands still that a run of these procedures there would pass, in words; empty if nothing does."""
    names = set(procedures)
    for row in stops.values():
        where, what = of(row)
        if where == environment or what in names or not (where or what):
            return where or what or "the whole portal"
    return ""
