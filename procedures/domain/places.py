"""Where a change weighs, and whose right covers all of it: a manager of one place manages that place alone.

Used alike by the portal, which asks its decision about each place, and by the issuer, which asks its replay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from procedures.domain import grants, standing

OPERATED = frozenset(
    {"binding", "target", "inventory", "secret", "runner", "runner_end", "stop_lift", "outage", *standing.CONTROLS}
)
IN_ONE_ENVIRONMENT = frozenset({"binding", "target", "inventory", "secret", "outage"})


@dataclass(frozen=True, slots=True)
class Place:
    """What a change weighs on. `procedure` None: every one; no `environments`: every one."""

    procedure: str | None = None
    environments: tuple[str, ...] = ()

    def each(self) -> tuple[str | None, ...]:
        """The environments one by one; None is every one, and needs a right that is for every one."""
        return self.environments or (None,)


EVERYWHERE = Place()


class Ledger(Protocol):
    """The parts of an authority that say who holds which right."""

    @property
    def grants(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def production(self) -> Collection[str]: ...

    @property
    def owners(self) -> Mapping[str, Collection[str]]: ...

    def holders(self, principal: str) -> set[str]: ...

    def reaches(self, grant: Mapping[str, Any], procedure: str) -> bool: ...


def place_of(control: str, object: Mapping[str, Any], *, ended: Mapping[str, Any] | None = None) -> Place:
    """Where a change weighs. `ended` is the grant that a `grant_end` ends; unknown, it weighs on everything.

    An environment's rules, labels, policies and runners weigh on the whole portal, though they name a part of it:
    whoever manages access to a place does not set the rules that security made for it.
    """
    if control == "grant_end":
        return EVERYWHERE if ended is None else _of_grant(ended)
    if control == "grant":
        return _of_grant(object)
    if control in IN_ONE_ENVIRONMENT or (control == "stop_lift" and "environment" in object):
        return Place(environments=(object["environment"],))
    if control in standing.CONTROLS:
        return Place(str(object.get("procedure", "")), (str(object.get("environment", "")),))
    return EVERYWHERE


def _of_grant(grant: Mapping[str, Any]) -> Place:
    """Labels may come to reach any procedure, and what replaces a grant ends another: both weigh on every one."""
    if "replaces" in grant:
        return EVERYWHERE
    return Place(grant.get("procedure"), tuple(grant.get("environments") or ()))


def verb_for(control: str) -> str:
    return "operate" if control in OPERATED else "manage_access"


def holders(ledger: Ledger, verb: str, place: Place, *, at: str) -> set[str]:
    """Persons whose living, signed grants give that verb over all of a place at that moment; never software."""
    covering = (_holders(ledger, verb, place.procedure, one, at) for one in place.each())
    return set.intersection(*covering) - set(ledger.owners)


def _holders(ledger: Ledger, verb: str, procedure: str | None, environment: str | None, at: str) -> set[str]:
    found: set[str] = set()
    for grant in _living(ledger.grants.values(), verb, at):
        if grants.in_place(grant, environment, ledger.production) and _covers(ledger, grant, procedure):
            found |= ledger.holders(grant["principal"])
    return found


def _living(grants: Iterable[Mapping[str, Any]], verb: str, at: str) -> Iterable[Mapping[str, Any]]:
    return (g for g in grants if verb in g["verbs"] and g["stands"] and g["not_before"] <= at < g["expires_at"])


def _covers(ledger: Ledger, grant: Mapping[str, Any], procedure: str | None) -> bool:
    if procedure is None:
        return "procedure" not in grant and not grant.get("selector")
    return ledger.reaches(grant, procedure)
