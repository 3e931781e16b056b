"""A person's code app: set up with the password at hand, proven by a code, each code good once, guesses slowed.

The secret lies sealed under a key that is derived from the portal's own secret key for this alone (decisions/0006).
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest

from procedures import access
from procedures.domain import totp
from procedures.domain.errors import IllegalState, NotAllowed, NotFound
from procedures.domain.secrets import Secret
from procedures.evidence.record import record
from procedures.models import CodeApp, DenialCount, Person
from procedures.services import sessions
from procedures.services.unit import SecondPersonRequired, thing

COUNTED = "totp"
TRIES, WINDOW = 5, timedelta(minutes=10)
PURPOSE = b"opsportal/totp/v1"


class NoCodeApp(IllegalState):
    """There is no code app of this person to take a code from."""

    code = "totp.none"
    next_step = "Set up a code app on your settings page, or sign with a passkey or an SSH key."


class CodeAppThere(IllegalState):
    """One code app per person."""

    code = "totp.there-already"
    next_step = "Remove the old one with a current code of it; an access manager can remove it where it is lost."


class WrongCode(NotAllowed):
    """Not the code of now, or one that was used already."""

    code = "totp.wrong"
    next_step = "Wait for the next code and give that; check the clock of the device if it happens again."
    counted_as: ClassVar[str] = COUNTED


class TooManyCodes(NotAllowed):
    """Too many wrong codes for this person, from wherever."""

    code = "totp.too-many"
    next_step = f"Wait {WINDOW.seconds // 60} minutes, or sign with a passkey or an SSH key."
    counted_as: ClassVar[str] = COUNTED


def app_of(person: Person) -> CodeApp | None:
    """The code app that this person decides with."""
    return CodeApp.objects.filter(person=person, enrolled_at__isnull=False, removed_at__isnull=True).first()


def begin(*, request: HttpRequest, actor: Person, password: str, at: datetime) -> Secret:
    """A fresh secret for this person's app, who proves by password to be no borrowed session; shown once.

    Raises WrongPassword, TooManyTries, CodeAppThere.
    """
    sessions.proved(request, username=actor.username, password=password, at=at)
    return _begin(actor=actor, at=at)


@thing
def _begin(*, actor: Person, at: datetime) -> Secret:
    if app_of(actor) is not None:
        raise CodeAppThere("You have a code app already.")
    secret = totp.new_secret()
    CodeApp.objects.filter(person=actor, removed_at__isnull=True).update(removed_at=at, sealed=b"")
    CodeApp.objects.create(person=actor, sealed=_sealed(actor, secret), made_at=at)
    return secret


@thing
def enrol(*, actor: Person, code: str, at: datetime) -> None:
    """The app counts from here on: it gave the code of now. Raises NoCodeApp, WrongCode, TooManyCodes."""
    waiting = CodeApp.objects.filter(person=actor, enrolled_at__isnull=True, removed_at__isnull=True).first()
    if waiting is None:
        raise NoCodeApp("No code app of yours waits to be confirmed.")
    _take(waiting, actor, code, at)
    CodeApp.objects.filter(pk=waiting.pk).update(enrolled_at=at)
    record("totp.enrolled", actor=actor.subject, at=at, facts={"subject": str(actor.subject)})


@thing
def remove(*, actor: Person, subject: UUID, code: str, at: datetime) -> None:
    """End a code app: one's own with a current code, somebody else's as an access manager.

    Raises NotAllowed, SecondPersonRequired, NotFound, WrongCode, TooManyCodes.
    """
    person = Person.objects.filter(subject=subject).first()
    if person != actor:
        access.require(actor, "manage_access", at=at)
    app = None if person is None else app_of(person)
    if person is None or app is None:
        raise NotFound("There is no such code app.")
    if person == actor:
        if not code:
            raise SecondPersonRequired("Give a current code; without one another access manager removes your code app.")
        _take(app, actor, code, at)
    CodeApp.objects.filter(pk=app.pk).update(removed_at=at, sealed=b"")
    by = "code" if person == actor else "manager"
    record("totp.removed", actor=actor.subject, at=at, facts={"subject": str(person.subject), "by": by})


def use(actor: Person, code: str, at: datetime) -> None:
    """Use up the code of now, within the transaction of what it decides. Raises NoCodeApp, WrongCode, TooManyCodes."""
    app = app_of(actor)
    if app is None:
        raise NoCodeApp("You have no code app.")
    _take(app, actor, code, at)


def _take(app: CodeApp, person: Person, code: str, at: datetime) -> None:
    tried = DenialCount.objects.filter(person=person, verb=COUNTED, minute__gt=at - WINDOW)
    if (tried.aggregate(sum=Sum("count"))["sum"] or 0) >= TRIES:
        raise TooManyCodes("Too many wrong codes.")
    step = totp.step_of(code.strip().replace(" ", ""), _opened(app, person), at)
    if step is None or not CodeApp.objects.filter(pk=app.pk, last_step__lt=step).update(last_step=step):
        raise WrongCode("This is not the code of now, or it was used already.")


def _sealing() -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(settings.SECRET_KEY.encode()))


def _sealed(person: Person, secret: Secret) -> bytes:
    nonce = os.urandom(12)
    return nonce + _sealing().encrypt(nonce, secret.reveal(), person.subject.bytes)


def _opened(app: CodeApp, person: Person) -> Secret:
    data = bytes(app.sealed)
    try:
        return Secret(_sealing().decrypt(data[:12], data[12:], person.subject.bytes))
    except InvalidTag as problem:
        raise NoCodeApp("The portal's secret key is another than when this code app was set up.") from problem
