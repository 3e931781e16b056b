"""Events of no form: whoever writes rows may add one, and no portal is to stand still for ever over it."""

from __future__ import annotations

from collections.abc import Mapping

from procedures.domain import formed
from procedures.evidence.events import KINDS
from procedures.evidence.queries import OWNED, Fact

WHY = "it has not the form of such an event"
NAMES = ("subject", "procedure", "risk", "group", "provider", "action", "campaign", "stop", "owner")
IN_A_ROW: dict[str, type | tuple[type, ...]] = {
    "by": str,
    "strength": str,
    "sig": (str, type(None)),
    "key": str,
    "method": str,
}


def of_no_form(fact: Fact, *, signed: bool) -> bool:
    """Whether an event is none by what it says itself, whatever stands before it. `signed`: somebody signed just this.

    Only then may it be passed over: an honest event that cannot be judged stops everything, since it might take
    something away.
    """
    said = fact.facts
    if any(name not in said for name in KINDS.get(fact.kind, ())):
        return True
    if fact.kind != "control.confirmed":
        needed = ("subject",) if fact.kind in OWNED else ()
        named = all(isinstance(said.get(name, None if name in needed else ""), str) for name in NAMES)
        grants = said.get("grants", [])
        return not named or not isinstance(grants, list) or not all(isinstance(one, str) for one in grants)
    if (
        not isinstance(said["change"], str)
        or not isinstance(fact.signatures, list)
        or not all(map(_is_row, fact.signatures))
    ):
        return True
    return not signed and not formed.fits(said["control"], said["object"])


def _is_row(row: object) -> bool:
    """Whether this could be a signature, good or bad."""
    if not isinstance(row, Mapping) or not {"by", "strength"} <= row.keys():
        return False
    return all(isinstance(row[name], kind) for name, kind in IN_A_ROW.items() if name in row)
