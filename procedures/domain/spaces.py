"""Spaces: a team's procedures, whose leads give access inside limits that security set (people.md, C2).

One function says whether a grant lies inside them, for the portal and the issuer; the verifier has it in its own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from procedures.domain.canonical import parse_moment
from procedures.domain.definition import RISKS

GIVEN = ("discover", "view", "run", "cancel", "read_output", "approve", "review", "author")  # what leads may ever give
MOST_DAYS = 365
NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
PRINCIPAL = {"type": "string", "pattern": "^(person:[0-9a-f-]{36}|group:.{1,150})$"}


def _several(items: Mapping[str, Any], most: int, least: int = 1) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most, "uniqueItems": True}


FIELDS: Mapping[str, Any] = {
    "name": NAME,
    "title": {"type": "string", "minLength": 1, "maxLength": 200},
    "leads": _several(PRINCIPAL, 20),
    "procedures": _several(NAME, 500, 0),
    "environments": _several(NAME, 50),
    "verbs": _several({"enum": list(GIVEN)}, len(GIVEN)),
    "days": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
    "risk": {"enum": list(RISKS)},
    "action": {"enum": ["set", "end"]},
}
MARK = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9._:/-]{0,61}[a-z0-9])?$"}
OPTIONAL: Mapping[str, Any] = {
    "labels": _several(MARK, 20),
    "targets": _several({"type": "string", "minLength": 1, "maxLength": 1000}, 20),
    "at_once": {"type": "integer", "minimum": 1, "maximum": 10_000},
}
SCHEMA = {
    "type": "object",
    "required": list(FIELDS),
    "additionalProperties": False,
    "properties": {**FIELDS, **OPTIONAL},
}

Problems = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Known:
    """What limits are held against: risks of procedures as accepted last, labels, and living grants by procedure."""

    risks: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Collection[str]] = field(default_factory=dict)
    living: Mapping[str, int] = field(default_factory=dict)


def owns(space: Mapping[str, Any], procedure: str, labels: Mapping[str, Collection[str]]) -> bool:
    """Whether a procedure is the space's: by its name, or by carrying every label of the space now."""
    wanted = set(space.get("labels", ()))
    return procedure in space["procedures"] or bool(wanted and wanted <= set(labels.get(procedure, ())))


def led_anew(spaces: Iterable[Mapping[str, Any]], had: Collection[str], has: Collection[str]) -> set[str]:
    """Leads, as principals, whose space comes to own a procedure by its labels: they gain from these."""
    wanted = [(set(space.get("labels", ())), space["leads"]) for space in spaces if space.get("labels")]
    return {lead for labels, leads in wanted if labels <= set(has) and not labels <= set(had) for lead in leads}


def outside(space: Mapping[str, Any], grant: Mapping[str, Any], known: Known) -> Problems:
    """(pointer, why) for each limit of the space that a grant goes beyond."""
    called, risks = f"the space {space['name']}", known.risks
    found = _elsewhere(space, grant, known) + _too_much(space, grant, known)
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


def _too_much(space: Mapping[str, Any], grant: Mapping[str, Any], known: Known) -> Problems:
    """Targets that are not the space's, and more grants at once than its budget holds."""
    found, called = [], f"the space {space['name']}"
    targets = space.get("targets", ())
    if targets and "run" in grant["verbs"] and grant.get("target_filter") not in targets:
        found.append(("/object/target_filter", f"must be one of {called}: {'; '.join(targets)}"))
    held = sum(count for name, count in known.living.items() if owns(space, name, known.labels))
    if held >= space.get("at_once", held + 1):
        why = f"{called} holds {space['at_once']} grants at once, and so many live: end one first"
        found.append(("/object/procedure", why))
    return found


def _elsewhere(space: Mapping[str, Any], grant: Mapping[str, Any], known: Known) -> Problems:
    """What a grant reaches beyond the space's procedures and environments."""
    found, called = [], f"the space {space['name']}"
    if not owns(space, grant.get("procedure", ""), known.labels):
        found.append(("/object/procedure", f"must be one of {called}: {', '.join(space['procedures']) or 'by labels'}"))
    named = grant.get("environments") or []
    if not named or set(named) - set(space["environments"]):
        found.append(("/object/environments", f"must be some of {called}: {', '.join(space['environments'])}"))
    return found


def problems(space: Mapping[str, Any], control: str, grant: Mapping[str, Any], known: Known) -> Problems:
    """Why a lead of the space may not give or end this grant. Taking away is bound by place alone, not by limits."""
    return _elsewhere(space, grant, known) if control == "grant_end" else outside(space, grant, known)


def owning(
    spaces: Iterable[Mapping[str, Any]], grant: Mapping[str, Any], labels: Mapping[str, Collection[str]]
) -> list[Mapping[str, Any]]:
    """The spaces that own the procedure of a grant; what takes the place of another grant is no lead's to give."""
    if "replaces" in grant or "procedure" not in grant:
        return []
    return [space for space in spaces if owns(space, grant["procedure"], labels)]


class Spaces(Protocol):
    """The parts of an authority that say who leads what."""

    @property
    def spaces(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def risks(self) -> Mapping[str, str]: ...

    @property
    def labels(self) -> Mapping[str, Collection[str]]: ...

    @property
    def grants(self) -> Mapping[str, Mapping[str, Any]]: ...

    def holders(self, principal: str) -> set[str]: ...


def leads(authority: Spaces, control: str, grant: Mapping[str, Any], *, at: str) -> set[str]:
    """Subjects who lead a space that owns the procedure of a grant, and may then give or end it inside its limits."""
    owned = owning(authority.spaces.values(), grant, authority.labels)
    if not owned:
        return set()
    living = [one for one in authority.grants.values() if one["stands"] and at < one["expires_at"]]
    counted = Counter(one["procedure"] for one in living if "procedure" in one)
    known = Known(authority.risks, authority.labels, counted)
    inside = [space for space in owned if not problems(space, control, grant, known)]
    return {who for space in inside for lead in space["leads"] for who in authority.holders(lead)}
