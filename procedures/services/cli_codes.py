"""A code that brings a command line in: for people who sign in on a page only, since no password of theirs is here."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest

from procedures.domain.errors import NotAllowed
from procedures.evidence.record import record
from procedures.models import OneTimeLink, Person
from procedures.services import open_sessions
from procedures.services.bootstrap import new_link, take_link
from procedures.services.unit import thing

LIVES = timedelta(minutes=2)
BACKEND = "procedures.access.backend.IdentityBackend"


@thing
def make_code(*, actor: Person, at: datetime, bearer: bool = False) -> str:
    """A code for one's own command line, shown once: good for two minutes, once. Raises NotAllowed.

    It goes from the page to the terminal by its person's hand, never the other way: nobody can be brought to confirm
    what somebody else began.
    """
    if bearer or actor.kind != Person.Kind.PERSON:
        raise NotAllowed("Only a person who is signed in on the page gets a code for the command line.")
    record("session.code_made", actor=actor.subject, at=at, facts={"subject": str(actor.subject)})
    return new_link(OneTimeLink.Purpose.CLI, person=actor, made_by=actor, lives=LIVES, at=at)


def use_code(request: HttpRequest, *, code: str, at: datetime) -> Person:
    """Sign in whoever made this code. Raises LinkUsed, NotAllowed."""
    person = take_link(code.strip(), OneTimeLink.Purpose.CLI, at).person
    if person is None or not person.is_active:
        raise NotAllowed("This account is closed.")
    open_sessions.begin(request, person, at=at, kind="cli", backend=BACKEND)
    return person
