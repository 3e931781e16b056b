"""People: made by access managers, invited by a link; rights come only from grants."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from procedures import access
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.evidence.record import record
from procedures.models import OneTimeLink, Person
from procedures.services import telling
from procedures.services.bootstrap import INVITE_LIVES, make_person, new_link
from procedures.services.tokens import end_tokens
from procedures.services.unit import thing


@thing
def invite_person(
    *,
    actor: Person,
    username: str,
    name: str,
    email: str,
    at: datetime,
    kind: str = Person.Kind.PERSON,
    bearer: bool = False,
) -> tuple[Person, str]:
    """A person without rights, and the path of an invitation good for 24 hours. Raises NotAllowed, InvalidInput."""
    if bearer:
        raise NotAllowed("A bearer token invites nobody: sign in for that.")
    access.require(actor, "manage_access", at=at)
    if kind not in {Person.Kind.PERSON.value, Person.Kind.SERVICE.value, Person.Kind.AGENT.value}:
        raise InvalidInput([("/kind", "is person, service or agent")])
    person = make_person(username=username, name=name, email=email, kind=kind, at=at)
    if kind != Person.Kind.PERSON:
        Person.objects.filter(pk=person.pk).update(owner=actor)
    record(
        "person.made",
        actor=actor.subject,
        at=at,
        facts={"subject": str(person.subject), "kind": kind},
        whose=person.subject,
        sensitive={"/username": username, "/name": name},
    )
    token = new_link(OneTimeLink.Purpose.INVITE, person=person, made_by=actor, lives=INVITE_LIVES, at=at)
    return person, f"/join/{token}/"


@thing
def close_account(*, actor: Person, person: UUID, at: datetime) -> Person:
    """Shut an account: nothing that it could do is possible from this instant."""
    access.require(actor, "manage_access", at=at)
    row = Person.objects.filter(subject=person).first()
    if row is None:
        raise NotFound("There is no such person.")
    Person.objects.filter(pk=row.pk).update(is_active=False)
    end_tokens(row, at)
    record("person.closed", actor=actor.subject, at=at, facts={"subject": str(row.subject)})
    telling.account_closed(row, actor, at=at)
    row.refresh_from_db()
    return row
