"""Whether somebody may decide over a place: over each environment of it, by a right that covers that environment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from procedures.access.decision import Decision, decide, live_rights
from procedures.domain.errors import NotAllowed
from procedures.domain.places import Place
from procedures.models import Environment, Person, Procedure


def over(actor: Person | None, verb: str, place: Place, *, at: datetime) -> Decision:
    """Allow if every environment of the place is covered; else the decision about the first that is not."""
    procedure = Procedure.objects.filter(name=place.procedure).first() if place.procedure else None
    rows = {row.name: row for row in Environment.objects.filter(name__in=place.environments)}
    decision = Decision(False, "Nothing was asked.")
    for name in place.each():
        environment = rows.get(name) if name else None
        decision = decide(actor, verb, at=at, procedure=procedure, environment=environment, whole=environment is None)
        if not decision.allowed:
            return _told(decision, verb, place, name)
    return decision


def _told(decision: Decision, verb: str, place: Place, environment: str | None) -> Decision:
    """The refusal with the place that is not covered, which a decision without an environment does not name."""
    if environment is not None or not decision.reason.startswith("No grant lets"):
        return decision
    where = f"{place.procedure} in every environment" if place.procedure else "the whole portal"
    return Decision(False, f"No grant lets you {verb.replace('_', ' ')} for {where}, which this change weighs on.")


def require_over(actor: Person | None, verb: str, place: Place, *, at: datetime) -> Decision:
    """The decision if it allows. Raises NotAllowed."""
    decision = over(actor, verb, place, at=at)
    if not decision.allowed:
        raise NotAllowed(decision.reason)
    return decision


@dataclass(frozen=True, slots=True)
class Reach:
    """`over` for lists: every (procedure or None for each, environment or None for each) where a verb is held."""

    pairs: frozenset[tuple[str | None, str | None]]

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def has(self, place: Place) -> bool:
        return all(self._covers(place.procedure, environment) for environment in place.each())

    def _covers(self, procedure: str | None, environment: str | None) -> bool:
        return any(p in {None, procedure} and e in {None, environment} for p, e in self.pairs)


def reach(actor: Person, verb: str, *, at: datetime) -> Reach:
    """Where this person holds the verb, in one query."""
    rights = live_rights(actor, verb, at)
    return Reach(frozenset(rights.values_list("procedure__name", "environment_id")))
