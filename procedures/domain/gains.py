"""Who gains by a change, as the log tells it: nobody who does may sign it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import stops
from procedures.domain.controls import Authority


def gains_from(control: str, object: Mapping[str, Any], authority: Authority, *, at: str) -> set[str]:
    """Subjects who gain authority from a change, owners of software that gains among them; empty if nobody does."""
    found: set[str] = set(object.get("behind", ()))  # of a purge: nobody has their own runs erased
    if control == "grant" or (control == "duty" and object.get("action", "add") == "add"):
        found = authority.holders(object["principal"])
    elif control == "membership" and object.get("action", "add") == "add":
        found = {object["person"]}
    elif control == "labels":
        found = {who for principal in authority.joined(object, at) for who in authority.holders(principal)}
    elif control == "space" and object["action"] == "set":
        found = {who for lead in object["leads"] for who in authority.holders(lead)}
    elif control in {"agent", "service_account"}:
        found = {object["owner"]}
    elif control == "key":
        found = {object["subject"]}
    elif control == "workload_rule" and object["action"] == "set":
        found = {object["account"]}
    elif control == "campaign_keep":
        rows = [authority.grants[grant] for grant in object["grants"] if grant in authority.grants]
        found = {who for row in rows for who in authority.holders(row["principal"])}
    elif control == "stop_lift":
        found = stops.thrower(authority.stops, object)
    return found | {owner for who in found for owner in authority.owners.get(who, ())}
