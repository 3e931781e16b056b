"""Service accounts: software with an owner who stands behind whatever it asks for; no password, no sign-in.

Making one gives nothing: rights come by grants, which are control objects, and the owner of an account gains from them.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from procedures import access
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.evidence.record import record
from procedures.models import Person
from procedures.services.bootstrap import make_person
from procedures.services.tokens import end_tokens
from procedures.services.unit import SecondPersonRequired, thing


@thing
def make_account(*, actor: Person, username: str, name: str, owner: UUID, at: datetime, bearer: bool = False) -> Person:
    """A service account without rights, owned by a person. Raises NotAllowed, InvalidInput."""
    if bearer:
        raise NotAllowed("A bearer token makes no accounts: sign in for that.")
    access.require(actor, "manage_access", at=at)
    whose = _owner(owner)
    row = make_person(username=username, name=name, email="", kind=Person.Kind.SERVICE, at=at)
    Person.objects.filter(pk=row.pk).update(owner=whose)
    record(
        "person.made",
        actor=actor.subject,
        at=at,
        facts={"subject": str(row.subject), "kind": row.kind, "owner": str(whose.subject)},
        whose=row.subject,
        sensitive={"/username": username, "/name": name},
    )
    row.refresh_from_db()
    return row


def _owner(subject: UUID) -> Person:
    row = Person.objects.filter(subject=subject, kind=Person.Kind.PERSON, is_active=True).first()
    if row is None:
        raise InvalidInput([("/owner", "is no person with an open account")])
    return row


@thing
def give_account(*, actor: Person, account: UUID, owner: UUID, at: datetime, bearer: bool = False) -> Person:
    """Another person owns the account from here on; its tokens end, and it works again if it was suspended.

    Never oneself: its rights would come with it. Raises NotAllowed, SecondPersonRequired, NotFound, InvalidInput.
    """
    if bearer:
        raise NotAllowed("A bearer token gives no accounts: sign in for that.")
    access.require(actor, "manage_access", at=at)
    row = Person.objects.select_for_update(of=("self",)).filter(subject=account, kind=Person.Kind.SERVICE).first()
    if row is None:
        raise NotFound("There is no such service account.")
    whose = _owner(owner)
    if whose == actor:
        raise SecondPersonRequired("Nobody gives an account to themselves: its rights would come with it.")
    was = str(row.owner.subject) if row.owner else ""
    Person.objects.filter(pk=row.pk).update(owner=whose, is_active=True)
    end_tokens(row, at)
    facts = {"subject": str(row.subject), "owner": str(whose.subject), "was": was}
    record("account.given", actor=actor.subject, at=at, facts=facts)
    row.refresh_from_db()
    return row


def suspend_owned(person: Person, actor: Person, at: datetime) -> list[Person]:
    """The accounts of somebody who leaves can do nothing until they have another owner; within that transaction."""
    rows = list(Person.objects.filter(owner=person, is_active=True).exclude(kind=Person.Kind.PERSON))
    for row in rows:
        Person.objects.filter(pk=row.pk).update(is_active=False)
        end_tokens(row, at)
        facts = {"subject": str(row.subject), "owner": str(person.subject), "why": "its owner left"}
        record("account.suspended", actor=actor.subject, at=at, facts=facts)
    return rows


def accounts_for(actor: Person, at: datetime) -> QuerySet[Person]:
    """Service accounts: all for access managers and auditors, else one's own."""
    rows = Person.objects.filter(kind=Person.Kind.SERVICE).select_related("owner").order_by("-is_active", "name")
    if any(access.decide(actor, verb, at=at).allowed for verb in ("manage_access", "audit")):
        return rows
    return rows.filter(owner=actor)
