"""Deputies: named by whoever is away, in force once they agree, ended by either or by time (decisions/0026)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from procedures import access
from procedures.access import managing
from procedures.domain import deputies as rules
from procedures.domain.canonical import moment
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed
from procedures.evidence.record import record
from procedures.models import Deputy, Person
from procedures.queries import deputies as queries
from procedures.services import telling
from procedures.services.unit import thing

MOST = 100


class NoChains(IllegalState):
    """A deputy who is away, who stands in for another already, or a second deputy for the same days."""

    code = "deputy.no-chains"
    next_step = "Name somebody else or other days; either side can end what stands in the way."


class DeputyOver(IllegalState):
    """It has ended already."""

    code = "deputy.over"
    next_step = "Name a deputy anew."


class AgreedBefore(IllegalState):
    """The deputy has agreed already."""

    code = "deputy.agreed-before"
    next_step = "Nothing is left to do; either side can end it."


@thing
def name_deputy(
    *,
    actor: Person,
    deputy: UUID,
    verbs: Sequence[str],
    from_at: datetime,
    until_at: datetime,
    at: datetime,
    bearer: bool = False,
) -> Deputy:
    """Ask another to be told of and shown what waits for `actor`, from `from_at` (now, if that is past) to `until_at`.

    Nothing follows from it before the other agrees, since nobody chooses by it who may not decide.
    The deputy decides by own rights alone: whoever has none where `actor` has cannot be named.
    Raises NotAllowed, InvalidInput, NoChains.
    """
    _person_signed_in(actor, bearer=bearer)
    begins = max(from_at, at)
    if problems := rules.problems(verbs, from_at, until_at, at=at):
        raise InvalidInput(problems)
    other = Person.objects.filter(subject=deputy, is_active=True, kind=Person.Kind.PERSON).first()
    if other is None or other.pk == actor.pk:
        raise InvalidInput([("/deputy", "must be another person with an account; software stands in for nobody")])
    list(Person.objects.select_for_update().filter(pk__in=[actor.pk, other.pk]).order_by("pk"))
    if problems := _unable(actor, other, verbs, at):
        raise InvalidInput(problems)
    _no_chain(actor, other, verbs, begins, until_at, naming=True)
    row = Deputy.objects.create(
        person=actor, deputy=other, verbs=list(verbs), from_at=begins, until_at=until_at, named_at=at
    )
    facts = {"verbs": list(verbs), "from_at": moment(begins), "until_at": moment(until_at)}
    record("deputy.named", actor=actor.subject, at=at, facts={**_facts(row), **facts})
    telling.deputy_named(row, at=at)
    return row


@thing
def agree(*, actor: Person, deputy: UUID, at: datetime, bearer: bool = False) -> Deputy:
    """As the one named, stand in from now on. Raises NotAllowed, NotFound, DeputyOver, AgreedBefore, NoChains."""
    _person_signed_in(actor, bearer=bearer)
    row = queries.one(actor, deputy)
    if row.deputy_id != actor.pk:
        raise NotAllowed(f"{row.deputy} agrees to stand in for you, and nobody else.")
    list(Person.objects.select_for_update().filter(pk__in=[row.person_id, actor.pk]).order_by("pk"))
    row = queries.one(actor, deputy)
    if queries.is_over(row, at):
        raise DeputyOver("This has ended already.")
    if row.agreed_at is not None:
        raise AgreedBefore("You agreed to this already.")
    _no_chain(row.person, actor, row.verbs, max(row.from_at, at), row.until_at, naming=False)
    if not Deputy.objects.filter(pk=row.pk, ended_at__isnull=True, agreed_at__isnull=True).update(agreed_at=at):
        raise DeputyOver("This has ended already.")
    record("deputy.agreed", actor=actor.subject, at=at, facts=_facts(row))
    telling.deputy_agreed(row, at=at)
    row.refresh_from_db()
    return row


@thing
def end_deputy(*, actor: Person, deputy: UUID, at: datetime, bearer: bool = False) -> Deputy:
    """End or decline it now, as the one away or the one named. Raises NotAllowed, NotFound, DeputyOver."""
    _person_signed_in(actor, bearer=bearer)
    row = queries.one(actor, deputy)
    if not _end(row, "person" if row.person_id == actor.pk else "deputy", actor, at):
        raise DeputyOver("This has ended already.")
    telling.deputy_ended(row, at=at)
    row.refresh_from_db()
    return row


def end_of(person: Person, actor: Person, at: datetime) -> int:
    """Everything that somebody who leaves named or stood in for. Call inside their leaving."""
    rows = Deputy.objects.filter(Q(person=person) | Q(deputy=person), ended_at__isnull=True)
    return sum(_end(row, "left", actor, at) for row in rows.select_related("person", "deputy"))


def end_deputies(*, at: datetime) -> int:
    """Write down and tell which ended by their own date. Returns how many; safe to repeat and beside another."""
    over = Deputy.objects.filter(ended_at__isnull=True, until_at__lte=at).select_related("person", "deputy")
    count = 0
    for row in over.order_by("until_at")[:MOST]:
        with transaction.atomic():
            if _end(row, "time", None, at):
                telling.deputy_ended(row, at=at)
                count += 1
    return count


def _end(row: Deputy, why: str, actor: Person | None, at: datetime) -> int:
    if row.until_at <= at and why not in {"time", "left"}:
        return 0
    ended = min(at, row.until_at)
    moved = Deputy.objects.filter(pk=row.pk, ended_at__isnull=True).update(ended_at=ended, why=why)
    if moved:
        by = actor.subject if actor else None
        record("deputy.ended", actor=by, at=at, facts={**_facts(row), "why": why})
    return moved


def _facts(row: Deputy) -> dict[str, Any]:
    return {"deputyship": str(row.pk), "person": str(row.person.subject), "deputy": str(row.deputy.subject)}


def _person_signed_in(actor: Person, *, bearer: bool) -> None:
    if bearer or access.scope_of(actor) is not None:
        raise NotAllowed("A bearer token names no deputy: sign in for that.")
    if actor.kind != Person.Kind.PERSON:
        raise NotAllowed("Only a person has a deputy.")


def _unable(actor: Person, other: Person, verbs: Sequence[str], at: datetime) -> list[tuple[str, str]]:
    """Duties that the actor does not have, and those that the other could not see to anywhere."""
    found = []
    for index, verb in enumerate(verbs):
        called = rules.DEPUTED[verb]
        own = managing.reach(actor, verb, at=at)
        if not own:
            found.append((f"/verbs/{index}", f"you decide on no {called}: there is nothing to stand in for"))
        elif not queries.meet(managing.reach(other, verb, at=at), own):
            why = f"{other.username} may decide on no {called} where you may; a deputy gains no right"
            found.append(("/deputy", why))
    return found


def _no_chain(
    person: Person, deputy: Person, verbs: Sequence[str], begins: datetime, until: datetime, *, naming: bool
) -> None:
    """Nobody stands in for somebody through a third, and one person is away to one deputy at a time.

    What others named without a yes stands in nobody's way. `naming`: one's own earlier naming does.
    """
    beside = Deputy.objects.filter(ended_at__isnull=True, from_at__lt=until, until_at__gt=begins)
    in_the_way = Q(person=deputy) | Q(deputy=person) | Q(person=person)
    concerned = beside.filter(in_the_way, agreed_at__isnull=False)
    if naming:
        concerned = beside.filter(Q(person=person) | (in_the_way & Q(agreed_at__isnull=False)))
    for row in concerned.select_related("person", "deputy").order_by("pk"):
        if not set(row.verbs) & set(verbs):
            continue
        days = f"from {row.from_at:%Y-%m-%d} until {row.until_at:%Y-%m-%d}"
        if row.person_id == person.pk:
            raise NoChains(f"{person} named {row.deputy} {days}: one deputy at a time.")
        if row.deputy_id == person.pk:
            raise NoChains(f"{person} stands in for {row.person} {days}, and hands that on to nobody.")
        raise NoChains(f"{deputy} is away to {row.deputy} {days}: who is away stands in for nobody.")
