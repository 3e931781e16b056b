"""People: made by access managers, invited by a link; rights come only from grants."""

from __future__ import annotations

from datetime import datetime

from procedures import access
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.evidence.record import record
from procedures.models import OneTimeLink, Person
from procedures.services.bootstrap import INVITE_LIVES, make_person, new_link
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
    if kind != Person.Kind.PERSON.value:
        raise InvalidInput([("/kind", "is person; software is made, with an owner, and not invited")])
    person = make_person(username=username, name=name, email=email, kind=kind, at=at)
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
