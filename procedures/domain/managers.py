"""Who could decide a change at some moment, as the log tells it: by rights over its place, or as a space's lead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import places, spaces, standing
from procedures.domain.controls import Authority


def managers(authority: Authority, control: str, object: Mapping[str, Any], *, at: str) -> set[str]:
    """Persons who could decide this change at that moment, whether or not they gain from it; never software.

    A schedule or hook whoever may run its procedure there proposes, too; one of `deciders` must sign beside them.
    """
    found = deciders(authority, control, object, at=at)
    if control in standing.CONTROLS:
        found |= places.holders(authority, "run", places.place_of(control, object), at=at)
    return found


def deciders(authority: Authority, control: str, object: Mapping[str, Any], *, at: str) -> set[str]:
    """Those of them who decide by a right over the place, and not because they may run something there."""
    ended = authority.grants.get(object["grant"]) if control == "grant_end" else None
    place = places.place_of(control, object, ended=ended)
    found = places.holders(authority, "manage_access", place, at=at)
    if control in places.OPERATED:
        found |= places.holders(authority, "operate", place, at=at)
    grant = ended if control == "grant_end" else object if control == "grant" else None
    if grant is not None:
        found |= spaces.leads(authority, control, grant, at=at) - authority.owners.keys()
    return found
