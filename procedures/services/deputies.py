"""Deputies: named by the one who is away, ended by either or by time. Nobody gains a right by it (decisions/0026)."""

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
    """From `from_at` (now, if that is past) until `until_at`, the deputy is told of and shown what waits for `actor`.

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
    _no_chain(actor, other, verbs, begins, until_at)
    row = Deputy.objects.create(
        person=actor, deputy=other, verbs=list(verbs), from_at=begins, until_at=until_at, named_at=at
    )
    facts: dict[str, Any] = {"deputyship": str(row.pk), "person": str(actor.subject), "deputy": str(other.subject)}
    facts |= {"verbs": list(verbs), "from_at": moment(begins), "until_at": moment(until_at)}
    record("deputy.named", actor=actor.subject, at=at, facts=facts)
    telling.deputy_named(row, at=at)
    return row


@thing
def end_deputy(*, actor: Person, deputy: UUID, at: datetime, bearer: bool = False) -> Deputy:
    """End it now, as the one who is away or as the one who stands in. Raises NotAllowed, NotFound, DeputyOver."""
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
        facts = {"deputyship": str(row.pk), "person": str(row.person.subject), "deputy": str(row.deputy.subject)}
        record("deputy.ended", actor=actor.subject if actor else None, at=at, facts={**facts, "why": why})
    return moved


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


def _no_chain(actor: Person, other: Person, verbs: Sequence[str], begins: datetime, until: datetime) -> None:
    """Nobody stands in for somebody through a third, and one person is away to one deputy at a time."""
    beside = Deputy.objects.filter(ended_at__isnull=True, from_at__lt=until, until_at__gt=begins)
    concerned = beside.filter(Q(person=actor) | Q(deputy=actor) | Q(person=other)).select_related("person", "deputy")
    for row in concerned.order_by("pk"):
        if not set(row.verbs) & set(verbs):
            continue
        days = f"from {row.from_at:%Y-%m-%d} until {row.until_at:%Y-%m-%d}"
        if row.person_id == actor.pk:
            raise NoChains(f"You named {row.deputy} {days}: one deputy at a time.")
        if row.deputy_id == actor.pk:
            raise NoChains(f"You stand in for {row.person} {days}, and hand that on to nobody.")
        raise NoChains(f"{other} named {row.deputy} {days}: who is away stands in for nobody.")
