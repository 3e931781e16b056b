"""Spaces: a team's procedures, whose leads give access inside limits that security set (people.md, C2).

One function says whether a grant lies inside them, for the portal and the issuer; the verifier has it in its own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from procedures.domain.canonical import parse_moment
from procedures.domain.definition import RISKS

GIVEN = ("discover", "view", "run", "cancel", "read_output", "approve", "review", "author")  # what leads may ever give
MOST_DAYS = 365
NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
PRINCIPAL = {"type": "string", "pattern": "^(person:[0-9a-f-]{36}|group:.{1,150})$"}


def _several(items: Mapping[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most, "uniqueItems": True}


FIELDS: Mapping[str, Any] = {
    "name": NAME,
    "title": {"type": "string", "minLength": 1, "maxLength": 200},
    "leads": _several(PRINCIPAL, 20),
    "procedures": _several(NAME, 500),
    "environments": _several(NAME, 50),
    "verbs": _several({"enum": list(GIVEN)}, len(GIVEN)),
    "days": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
    "risk": {"enum": list(RISKS)},
    "action": {"enum": ["set", "end"]},
}
SCHEMA = {"type": "object", "required": list(FIELDS), "additionalProperties": False, "properties": FIELDS}

Problems = list[tuple[str, str]]


def outside(space: Mapping[str, Any], grant: Mapping[str, Any], risks: Mapping[str, str]) -> Problems:
    """(pointer, why) for each limit of the space that a grant goes beyond. `risks`: of procedures as accepted last."""
    called = f"the space {space['name']}"
    found = _elsewhere(space, grant)
    if more := sorted(set(grant["verbs"]) - set(space["verbs"])):
        found.append(("/object/verbs", f"gives {', '.join(more)}; {called} gives {', '.join(space['verbs'])} at most"))
    lasts = parse_moment(grant["expires_at"]) - parse_moment(grant["not_before"])
    if lasts > timedelta(days=space["days"]):
        found.append(("/object/expires_at", f"is longer than the {space['days']} days of {called}"))
    risk = risks.get(grant.get("procedure", ""))
    if risk not in RISKS:
        found.append(("/object/procedure", f"was never accepted; {called} gives {space['risk']} risk at most"))
    elif risk not in RISKS[: RISKS.index(space["risk"]) + 1]:
        found.append(("/object/procedure", f"is of {risk} risk; {called} gives {space['risk']} at most"))
    return found


def _elsewhere(space: Mapping[str, Any], grant: Mapping[str, Any]) -> Problems:
    """What a grant reaches beyond the space's procedures and environments."""
    found, called = [], f"the space {space['name']}"
    if grant.get("procedure") not in space["procedures"]:
        found.append(("/object/procedure", f"must be one of {called}: {', '.join(space['procedures'])}"))
    named = grant.get("environments") or []
    if not named or set(named) - set(space["environments"]):
        found.append(("/object/environments", f"must be some of {called}: {', '.join(space['environments'])}"))
    return found


def problems(space: Mapping[str, Any], control: str, grant: Mapping[str, Any], risks: Mapping[str, str]) -> Problems:
    """Why a lead of the space may not give or end this grant. Taking away is bound by place alone, not by limits."""
    return _elsewhere(space, grant) if control == "grant_end" else outside(space, grant, risks)


def owning(spaces: Iterable[Mapping[str, Any]], grant: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The spaces that own the procedure of a grant; what takes the place of another grant is no lead's to give."""
    return [] if "replaces" in grant else [space for space in spaces if grant.get("procedure") in space["procedures"]]


class Spaces(Protocol):
    """The parts of an authority that say who leads what."""

    @property
    def spaces(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def risks(self) -> Mapping[str, str]: ...

    def holders(self, principal: str) -> set[str]: ...


def leads(authority: Spaces, control: str, grant: Mapping[str, Any]) -> set[str]:
    """Subjects who lead a space that owns the procedure of a grant, and may give or end it inside its limits."""
    owned = owning(authority.spaces.values(), grant)
    inside = [space for space in owned if not problems(space, control, grant, authority.risks)]
    return {who for space in inside for lead in space["leads"] for who in authority.holders(lead)}
