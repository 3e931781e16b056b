"""Who may decide a change of what decides authority: whoever's right covers all that it weighs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from procedures.access import managing
from procedures.access.decision import Decision
from procedures.access.managing import Reach
from procedures.domain import places
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.places import Place
from procedures.domain.standing import CONTROLS
from procedures.models import Environment, Grant, Person, Procedure, Space
from procedures.queries import spaces, standing, stops
from procedures.queries.holders import holders


class OutsideSpace(InvalidInput):
    """What the lead of a space wants to give lies outside the limits that security set."""

    code = "space.outside-its-limits"
    next_step = "Give less, or ask an access manager to give it or to change the limits of the space."


def place(control: str, object: Mapping[str, Any]) -> Place:
    """Where a change weighs, as the tables stand."""
    ended = given(control, object) if control == "grant_end" else None
    return places.place_of(control, object, ended=ended)


def given(control: str, object: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The grant that a change gives or ends; None for any other change."""
    return _grant(object["grant"]) if control == "grant_end" else object if control == "grant" else None


def may(
    actor: Person | None, control: str, object: Mapping[str, Any], *, at: datetime, proposes: bool = False
) -> Decision:
    """Whether this person may confirm or refuse the change, or propose it, if they do not gain from it.

    A schedule or hook also somebody proposes who decides nothing over the place, but may run that there.
    """
    decision, _ = _judged(actor, control, object, at)
    asks = proposes and not decision.allowed and control in CONTROLS
    if asks and actor is not None and standing.may_propose(actor, control, object, at=at):
        return Decision(True, "May run it there, by an account of their own.")
    return decision


def _judged(
    actor: Person | None, control: str, object: Mapping[str, Any], at: datetime
) -> tuple[Decision, list[tuple[str, str]]]:
    """By a right over all of its place, else as the lead of a space; else also the limits that it lies outside of."""
    if control == "stop_lift" and actor is not None and str(actor.subject) in stops.barred(object):
        return Decision(False, "You threw this switch, so in production somebody else lifts it."), []
    decision = managing.over(actor, places.verb_for(control), place(control, object), at=at)
    grant = given(control, object)
    if decision.allowed or grant is None or actor is None:
        return decision, []
    inside, problems = spaces.refusals(spaces.led_by(actor), control, grant)
    return (Decision(True, "Leads a space, inside its limits.") if inside else decision), problems


def require(
    actor: Person | None, control: str, object: Mapping[str, Any], *, at: datetime, proposes: bool = False
) -> None:
    """Raises NotAllowed with the place that is not covered, or OutsideSpace with the limits of the one that is led."""
    if proposes and may(actor, control, object, at=at, proposes=True).allowed:
        return
    decision, problems = _judged(actor, control, object, at)
    if not decision.allowed and problems:
        raise OutsideSpace(problems)
    if not decision.allowed:
        raise NotAllowed(decision.reason)


def people(control: str, object: Mapping[str, Any], *, at: datetime) -> QuerySet[Person]:
    """Everybody who may decide it, whether or not they gain from it."""
    managers = over(places.verb_for(control), place(control, object), at=at)
    grant = given(control, object)
    if grant is None or not (leads := spaces.leads(control, grant)):
        return managers
    return Person.objects.filter(Q(pk__in=managers.values("pk")) | Q(pk__in=leads)).order_by("pk")


def over(verb: str, where: Place, *, at: datetime) -> QuerySet[Person]:
    """Active persons whose rights cover all of a place."""
    procedure = Procedure.objects.filter(name=where.procedure).first() if where.procedure else None
    named = [Environment.objects.filter(name=name).first() if name else None for name in where.each()]
    each = [holders(verb, at, procedure=procedure, environment=one, whole=one is None) for one in named]
    return reduce(lambda some, more: some.filter(pk__in=more.values("pk")), each)


@dataclass(frozen=True, slots=True)
class Deciding:
    """`may` for lists of changes."""

    managed: Reach
    operated: Reach
    led: tuple[Space, ...]

    def __bool__(self) -> bool:
        return bool(self.managed or self.operated or self.led)

    def decides(self, control: str, object: Mapping[str, Any]) -> bool:
        held = self.operated if control in places.OPERATED else self.managed
        if held and held.has(place(control, object)):
            return True
        grant = given(control, object) if self.led else None
        return grant is not None and spaces.refusals(self.led, control, grant)[0]

    def ends(self, grant: Grant) -> bool:
        """Whether this person may end a grant, if they do not hold it."""
        where = named(grant)
        if self.managed.has(places.place_of("grant", where)):
            return True
        return spaces.refusals(self.led, "grant_end", where)[0]


def reach(actor: Person, *, at: datetime) -> Deciding:
    """What this person could decide."""
    managed, operated = (managing.reach(actor, verb, at=at) for verb in ("manage_access", "operate"))
    return Deciding(managed, operated, tuple(spaces.led_by(actor)))


def _grant(name: str) -> dict[str, Any] | None:
    try:
        row = Grant.objects.select_related("procedure").filter(pk=name).first()
    except ValidationError:
        return None
    if row is None:
        return None
    return named(row)


def named(grant: Grant) -> dict[str, Any]:
    """The part of a grant that says where it weighs, as in the object that was signed."""
    made: dict[str, Any] = {"environments": grant.environments, "selector": grant.selector}
    return made | ({"procedure": grant.procedure.name} if grant.procedure else {})
