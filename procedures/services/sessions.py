"""Signing in by password: each session is an event, and guessing is slowed for the address that guesses."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import F, Sum
from django.http import HttpRequest

from procedures.domain.errors import NotAllowed
from procedures.evidence.record import record
from procedures.models import DenialCount, Person
from procedures.services import local_sign_in, open_sessions
from procedures.services.unit import COALESCE_ABOVE, door

TRIES = 10
WINDOW = timedelta(minutes=10)


class WrongPassword(NotAllowed):
    """Name and password do not fit together."""

    code = "session.refused"
    next_step = "Check both; an access manager can send a new invitation."


class TooManyTries(NotAllowed):
    """This address guessed too often for this name; from elsewhere its owner still gets in."""

    code = "session.too-many-tries"
    next_step = f"Wait {WINDOW.seconds // 60} minutes, then try again."


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
    verb = f"sign_in {request.META.get('REMOTE_ADDR', '')}"[:60]
    if known is not None and _tries(known, verb, at) >= TRIES:
        _refused(known, verb, "too many tries", at)
        raise TooManyTries("Too many wrong passwords for this name from this address.")
    person = authenticate(request, username=username, password=password)
    if not isinstance(person, Person):
        if known is not None:
            _refused(known, verb, "wrong password" if known.is_active else "the account is closed", at)
        raise WrongPassword("Name or password is wrong.")
    return person


def _tries(person: Person, verb: str, at: datetime) -> int:
    rows = DenialCount.objects.filter(person=person, verb=verb, minute__gt=at - WINDOW)
    return rows.aggregate(sum=Sum("count"))["sum"] or 0


def _refused(person: Person, verb: str, reason: str, at: datetime) -> None:
    with transaction.atomic():
        minute = at.replace(second=0, microsecond=0)
        counter, _ = DenialCount.objects.get_or_create(person=person, verb=verb, door=door.get(), minute=minute)
        DenialCount.objects.filter(pk=counter.pk).update(count=F("count") + 1)
        if counter.count < COALESCE_ABOVE:
            record("session.refused", actor=person.subject, at=at, facts={"reason": reason, "door": door.get()})
