"""Signing in by password: guessing is slowed for the address that guesses, then for the account at strange addresses.

Nobody is locked out for good: slowing ends by itself, holds at no address where the person signed in before, and an
access manager lets them in at once.
"""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import F, Sum
from django.http import HttpRequest

from procedures import access
from procedures.domain.errors import NotAllowed, NotFound
from procedures.evidence.record import record
from procedures.models import DenialCount, OpenSession, Person
from procedures.queries import storage
from procedures.services import local_sign_in, open_sessions
from procedures.services.unit import COALESCE_ABOVE, door, thing

TRIES = 10
WINDOW = timedelta(minutes=10)
ACCOUNT_TRIES = 50  # from all addresses together
KNOWN = timedelta(days=90)
SIGN_IN, LET_IN = "sign_in ", "let in"


class WrongPassword(NotAllowed):
    """Name and password do not fit together."""

    code = "session.refused"
    next_step = "Check both; an access manager can send a new invitation."


class TooManyTries(NotAllowed):
    """This address guessed too often for this name; from elsewhere its owner still gets in."""

    code = "session.too-many-tries"
    next_step = f"Wait {WINDOW.seconds // 60} minutes, then try again."


class AccountSlowed(TooManyTries):
    """So many wrong passwords for this name, from wherever, that no strange address gets in for now."""

    code = "session.account-slowed"
    next_step = (
        f"Wait {WINDOW.seconds // 60} minutes, sign in from where you did before, or ask an access manager to let you "
        "in (page People)."
    )


def open_session(request: HttpRequest, *, username: str, password: str, at: datetime, kind: str = "web") -> Person:
    """Sign in whoever has this name and password. Raises WrongPassword, TooManyTries."""
    person = proved(request, username=username, password=password, at=at)
    if not local_sign_in.open_to(person, at):
        _refused(person, "sign_in", "local sign-in is off", at)
        raise local_sign_in.LocalSignInOff("Names and passwords of this portal do not open it any more.")
    open_sessions.begin(request, person, at=at, kind=kind)
    return person


def proved(request: HttpRequest, *, username: str, password: str, at: datetime) -> Person:
    """The person whose name and password these are. Raises WrongPassword, TooManyTries.

    A known person's refusals are events, those past five a minute one counted event; unknown names leave none.
    """
    known = Person.objects.filter(username=username).first()
    address = str(request.META.get("REMOTE_ADDR", ""))
    verb = f"{SIGN_IN}{address}"[:60]
    if known is not None and _tries(known, verb, at) >= TRIES:
        _refused(known, verb, "too many tries", at)
        raise TooManyTries("Too many wrong passwords for this name from this address.")
    if known is not None and _is_slowed(known, address, at):
        _refused(known, verb, "too many tries for this account", at)
        raise AccountSlowed(
            "Too many wrong passwords for this name, and it was not signed in from this address before."
        )
    person = authenticate(request, username=username, password=password)
    if not isinstance(person, Person):
        if known is not None:
            _refused(known, verb, "wrong password" if known.is_active else "the account is closed", at)
        raise WrongPassword("Name or password is wrong.")
    return person


def _tries(person: Person, verb: str, at: datetime) -> int:
    rows = DenialCount.objects.filter(person=person, verb=verb, minute__gt=at - WINDOW)
    return rows.aggregate(sum=Sum("count"))["sum"] or 0


def _is_slowed(person: Person, address: str, at: datetime) -> bool:
    """Whether strange addresses have to wait for this account: a storm is under way, and nobody was let in since."""
    rows = DenialCount.objects.filter(person=person, minute__gt=at - WINDOW)
    tries = rows.filter(verb__startswith=SIGN_IN).aggregate(sum=Sum("count"))["sum"] or 0
    if tries < ACCOUNT_TRIES or rows.filter(verb=LET_IN).exists():
        return False
    before = OpenSession.objects.filter(person=person, address=address, began_at__gt=at - KNOWN)
    return not before.exists()


def directory_mark(username: str) -> str:
    """What counts of wrong passwords for this name at a directory begin with; an address follows.

    A directory takes `ann` and ` ANN` for one name, so they count as one, and so does what it may ignore in a name.
    """
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", username).casefold())
    plain = "".join(one for one in letters if unicodedata.category(one) not in {"Cf", "Mn"})
    return f"dir {hashlib.sha256(' '.join(plain.split()).encode()).hexdigest()[:12]} "


@thing
def let_in(*, actor: Person, person: UUID, at: datetime) -> Person:
    """An access manager lets somebody in whom wrong passwords of others keep out, for ten minutes from any address.

    Raises NotAllowed, NotFound.
    """
    access.require(actor, "manage_access", at=at)
    row = Person.objects.filter(subject=person, kind=Person.Kind.PERSON, is_active=True).first()
    if row is None:
        raise NotFound("There is no such person.")
    DenialCount.objects.filter(person=row, verb__startswith=SIGN_IN).delete()
    minute = at.replace(second=0, microsecond=0)
    DenialCount.objects.get_or_create(person=row, verb=LET_IN, door=door.get(), minute=minute)
    record("session.let_in", actor=actor.subject, at=at, facts={"subject": str(row.subject)})
    return row


def _refused(person: Person, verb: str, reason: str, at: datetime) -> None:
    with transaction.atomic():
        minute = at.replace(second=0, microsecond=0)
        counter, _ = DenialCount.objects.get_or_create(person=person, verb=verb, door=door.get(), minute=minute)
        DenialCount.objects.filter(pk=counter.pk).update(count=F("count") + 1)
        if counter.count < (1 if storage.is_reserved() else COALESCE_ABOVE):
            record("session.refused", actor=person.subject, at=at, facts={"reason": reason, "door": door.get()})
