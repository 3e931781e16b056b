"""Who could decide a change at some moment, as the log tells it: by rights over its place, or as a space's lead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import places, spaces
from procedures.domain.controls import Authority


def managers(authority: Authority, control: str, object: Mapping[str, Any], *, at: str) -> set[str]:
    """Persons who could decide this change at that moment, whether or not they gain from it; never software."""
    ended = authority.grants.get(object["grant"]) if control == "grant_end" else None
    place = places.place_of(control, object, ended=ended)
    found = places.holders(authority, "manage_access", place, at=at)
    if control in places.OPERATED:
        found |= places.holders(authority, "operate", place, at=at)
    grant = ended if control == "grant_end" else object if control == "grant" else None
    if grant is not None:
        found |= spaces.leads(authority, control, grant, at=at) - authority.owners.keys()
    return found
