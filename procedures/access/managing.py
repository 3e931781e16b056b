"""Whether somebody may decide over a place: over each environment of it, by a right that covers that environment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from procedures.access.decision import Decision, bounded_rights, decide, live_rights
from procedures.domain.errors import NotAllowed
from procedures.domain.places import Place
from procedures.models import Environment, GrantRight, Person, Procedure


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
class Span:
    """A place of an engagement, and between which moments its runs were asked for, as the log writes them."""

    procedure: str | None
    environment: str | None
    first: str
    last: str

    def covers(self, procedure: str | None, environment: str | None, first: str, last: str) -> bool:
        inside = self.first <= first and last <= self.last
        return inside and self.procedure in {None, procedure} and self.environment in {None, environment}


@dataclass(frozen=True, slots=True)
class Reach:
    """`over` for lists: every (procedure or None for each, environment or None for each) where a verb is held.

    `spans` are held for the runs of a period alone: `has` asks after all of a place, and does not count them.
    """

    pairs: frozenset[tuple[str | None, str | None]]
    spans: frozenset[Span] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.pairs or self.spans)

    def has(self, place: Place) -> bool:
        return all(self._covers(place.procedure, environment) for environment in place.each())

    def has_runs(self, place: Place, first: str, last: str) -> bool:
        """Whether the runs of a place that were asked for from one moment to another are covered."""
        spans = self.spans
        return all(
            self._covers(place.procedure, e) or any(one.covers(place.procedure, e, first, last) for one in spans)
            for e in place.each()
        )

    def _covers(self, procedure: str | None, environment: str | None) -> bool:
        return any(p in {None, procedure} and e in {None, environment} for p, e in self.pairs)


def reach(actor: Person, verb: str, *, at: datetime) -> Reach:
    """Where this person holds the verb, in one query."""
    rights = live_rights(actor, verb, at)
    return Reach(
        frozenset(rights.values_list("procedure__name", "environment_id")),
        frozenset(_span(right) for right in bounded_rights(actor, at)) if verb == "audit" else frozenset(),
    )


def _span(right: GrantRight) -> Span:
    procedure, period = right.procedure.name if right.procedure else None, right.grant.period or {}
    return Span(procedure, right.environment_id, period["from"], period["to"])
