"""Asking for access, and for more time: written down and routed; what becomes of it is in `access_answers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from procedures import access
from procedures.domain import access_requests as rules
from procedures.domain import limits
from procedures.domain.access_requests import Asked
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, OpsError
from procedures.domain.parameters import text_problem
from procedures.evidence.record import record
from procedures.models import AccessRequest, Environment, Grant, Person, Procedure
from procedures.queries import access_requests as requests
from procedures.queries.pages_procedures import one_procedure
from procedures.services import telling
from procedures.services.unit import thing

A_DAY = timedelta(days=1)


class AskedAlready(IllegalState):
    """The same, or more, was asked for and is not answered yet. `link` is the page of that request."""

    code = "access-request.asked-already"
    next_step = "Look at the request that stands; withdraw it to ask for something else."

    def __init__(self, row: AccessRequest) -> None:
        super().__init__(f"This was asked for on {row.asked_at:%Y-%m-%d} and is not answered yet.")
        self.link = f"/access/requests/{row.pk}/"


class HeldAlready(IllegalState):
    """Nothing would be gained by what is asked."""

    code = "access-request.held-already"
    next_step = "Use it; ask to extend it before it ends."


class NothingToAskFor(IllegalState):
    """A retired procedure, or access that has ended."""

    code = "access-request.nothing-there"
    next_step = "Ask for something that can still be used."


class TooManyAccessRequests(OpsError):
    """More requests within a day than a person may make."""

    code = "access-request.too-many"
    next_step = "Wait for answers, or talk to an access manager."


@dataclass(frozen=True, slots=True)
class Wish:
    """What a door hands in. `group` asks for a group of the asker's instead of for the asker."""

    procedure: str
    verbs: Sequence[str]
    environments: Sequence[str]
    days: int
    reason: str
    group: str = ""


@thing
def ask_for_access(*, actor: Person, wish: Wish, at: datetime) -> AccessRequest:
    """Ask for a grant. A bearer token may ask; what is hidden from the actor answers like what is not there.

    Raises NotFound, NotAllowed, InvalidInput, NothingToAskFor, HeldAlready, AskedAlready, TooManyAccessRequests.
    """
    procedure = one_procedure(actor, wish.procedure, at)
    group = Group.objects.filter(name=wish.group, memberships__person=actor).first()
    _check(wish, group)
    _through(actor, procedure.name, wish.environments)
    if procedure.retired_at is not None:
        raise NothingToAskFor(f"{procedure.name} retired on {procedure.retired_at:%Y-%m-%d}.")
    person = None if group else actor
    _not_held(person, wish, procedure, at)
    for row in requests.under_way(person, group, procedure):
        if set(wish.verbs) <= set(row.verbs) and set(wish.environments) <= set(row.environments):
            raise AskedAlready(row)
    fields = {"verbs": list(wish.verbs), "environments": list(wish.environments), "days": wish.days}
    return _made(actor, at, person=person, group=group, procedure=procedure, reason=wish.reason.strip(), **fields)


@thing
def ask_to_extend(*, actor: Person, grant: UUID, days: int, reason: str, at: datetime) -> AccessRequest:
    """Ask for the same access again, from its end on. Raises as `ask_for_access`."""
    row = requests.own_grant(actor, grant)
    _through(actor, row.procedure.name if row.procedure else None, row.environments)
    _raise(_length(days) + say_why(reason))
    if row.revoked_at is not None or row.expires_at <= at:
        raise NothingToAskFor("This access has ended already; ask for it anew.")
    if row.procedure is not None and row.procedure.retired_at is not None:
        raise NothingToAskFor(f"{row.procedure.name} retired on {row.procedure.retired_at:%Y-%m-%d}.")
    fields = {"verbs": row.verbs, "environments": row.environments, "days": days, "kept": _kept(row), "extends": row}
    whose = {"person": row.person, "group": row.group, "procedure": row.procedure}
    return _made(actor, at, reason=reason.strip(), **whose, **fields)


def _through(actor: Person, procedure: str | None, environments: Sequence[str]) -> None:
    """A token that is for certain procedures or environments asks for no others. Raises NotAllowed."""
    scope = access.scope_of(actor)
    places: list[str | None] = [*environments]
    for environment in places or [None]:
        if scope and (narrow := scope.refusal(min(scope.verbs), procedure, environment)):
            raise NotAllowed(narrow)


def _made(actor: Person, at: datetime, **fields: Any) -> AccessRequest:
    """Write the request and its event. Raises TooManyAccessRequests, AskedAlready."""
    today = AccessRequest.objects.filter(asker=actor, asked_at__gt=at - A_DAY).count()
    if today >= limits.ACCESS_REQUESTS_A_DAY:
        raise TooManyAccessRequests(
            f"You asked {today} times within a day; {limits.ACCESS_REQUESTS_A_DAY} are the limit."
        )
    row = AccessRequest(asker=actor, asked_at=at, state_since=at, lapses_at=at + rules.LAPSES_AFTER, **fields)
    asked = requests.asked_of(row)
    row.mark = asked.mark
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as problem:
        raise AskedAlready(AccessRequest.objects.get(mark=row.mark, state__in=requests.UNDER_WAY)) from problem
    record(
        "access.asked",
        actor=actor.subject,
        at=at,
        procedure=row.procedure_id,
        facts={"request": str(row.pk), **_facts(asked)},
        sensitive={"/reason": row.reason},
    )
    telling.access_asked(row, at=at)
    return row


def _facts(asked: Asked) -> dict[str, Any]:
    names = ("principal", "procedure", "verbs", "environments", "days", "extends")
    return {name: getattr(asked, name) for name in names}


def _kept(grant: Grant) -> dict[str, Any]:
    """The limits of a grant that its extension carries on."""
    fields = {name: getattr(grant, name) for name in ("constraint", "target_filter", "window", "period", "selector")}
    return {name: value for name, value in fields.items() if value}


def _check(wish: Wish, group: Group | None) -> None:
    problems = _length(wish.days) + say_why(wish.reason)
    if not wish.verbs or len(set(wish.verbs)) != len(wish.verbs) or not set(wish.verbs) <= set(rules.ASKABLE):
        problems.append(("/verbs", f"say which, each once, of {', '.join(rules.ASKABLE)}"))
    known = set(Environment.objects.values_list("name", flat=True))
    if not wish.environments or len(set(wish.environments)) != len(wish.environments):
        problems.append(("/environments", "name at least one environment, each once"))
    problems += [
        (f"/environments/{index}", f"there is no environment {name!r}")
        for index, name in enumerate(wish.environments)
        if name not in known
    ]
    if wish.group and group is None:
        problems.append(("/group", "is not a group that you are in"))
    _raise(problems)


def _length(days: int) -> list[tuple[str, str]]:
    return [] if 1 <= days <= rules.MOST_DAYS else [("/days", f"is 1 to {rules.MOST_DAYS}")]


def say_why(reason: str) -> list[tuple[str, str]]:
    if not reason.strip():
        return [("/reason", "say why: whoever decides reads it")]
    if len(reason) > 2000:
        return [("/reason", "is longer than 2,000 characters")]
    why = text_problem(reason)
    return [("/reason", why)] if why else []


def _raise(problems: list[tuple[str, str]]) -> None:
    if problems:
        raise InvalidInput(problems)


def _not_held(person: Person | None, wish: Wish, procedure: Procedure, at: datetime) -> None:
    """Refuse what the asker holds already, for as long. A group's access is its managers' to know."""
    if person is None:
        return
    ends = [
        requests.held_until(person, verb, procedure, environment, at)
        for verb in wish.verbs
        for environment in Environment.objects.filter(name__in=wish.environments)
    ]
    until = [end for end in ends if end is not None]
    if len(until) == len(ends) and min(until) >= at + timedelta(days=wish.days):
        raise HeldAlready(f"You hold all of this until {min(until):%Y-%m-%d}.")
