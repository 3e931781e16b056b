"""The one-time link that makes the first access manager: the only grant without a second person (decisions.md, 1)."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.definition import DUTIES
from procedures.domain.errors import InvalidInput, NotFound, OpsError
from procedures.domain.ids import uuid7
from procedures.domain.sshkeys import fingerprint
from procedures.evidence.record import record
from procedures.models import DutyAssignment, EnrolledKey, Grant, OneTimeLink, Person
from procedures.services import grant_rights, local_sign_in

VERBS = [
    "discover",
    "view",
    "run",
    "cancel",
    "read_output",
    "author",
    "review",
    "approve",
    "manage_access",
    "operate",
    "audit",
]
LINK_LIVES = timedelta(minutes=15)
INVITE_LIVES = timedelta(hours=24)


class LinkUsed(OpsError):
    """A one-time link that was used, has expired or never was."""

    code = "link.not-valid"
    next_step = "Ask for a new link; `opsportal up` prints one while the portal has no person."


def new_link(purpose: str, *, person: Person | None, made_by: Person | None, lives: timedelta, at: datetime) -> str:
    """The secret part of a fresh link; only its hash is stored."""
    token = secrets.token_urlsafe(32)
    OneTimeLink.objects.create(
        purpose=purpose,
        token_sha256=hashlib.sha256(token.encode()).hexdigest(),
        person=person,
        made_by=made_by,
        expires_at=at + lives,
    )
    return token


def has_manager() -> bool:
    return Person.objects.exclude(kind=Person.Kind.SYSTEM).exists()


def first_link() -> str | None:
    """The path of a fresh first-manager link, or None once somebody is there."""
    if has_manager():
        return None
    at = now()
    with transaction.atomic():
        OneTimeLink.objects.filter(purpose=OneTimeLink.Purpose.BOOTSTRAP, used_at__isnull=True).update(used_at=at)
        return (
            f"/welcome/{new_link(OneTimeLink.Purpose.BOOTSTRAP, person=None, made_by=None, lives=LINK_LIVES, at=at)}/"
        )


def require_live(token: str, purpose: str, at: datetime) -> None:
    """That a link can still be used: nobody fills in a form that is refused. Raises LinkUsed."""
    mark = hashlib.sha256(token.encode()).hexdigest()
    live = OneTimeLink.objects.filter(token_sha256=mark, purpose=purpose, used_at__isnull=True, expires_at__gt=at)
    if not live.exists():
        raise LinkUsed("This link is not valid any more.")


def take_link(token: str, purpose: str, at: datetime) -> OneTimeLink:
    """Use a link up. Raises LinkUsed."""
    mark = hashlib.sha256(token.encode()).hexdigest()
    live = OneTimeLink.objects.filter(token_sha256=mark, purpose=purpose, used_at__isnull=True, expires_at__gt=at)
    if not live.update(used_at=at):
        raise LinkUsed("This link is not valid any more.")
    return OneTimeLink.objects.get(token_sha256=mark)


def check_password(password: str, person: Person) -> None:
    try:
        validate_password(password, person)
    except ValidationError as problem:
        raise InvalidInput([("/password", text) for text in problem.messages]) from problem


@transaction.atomic(durable=True)
def use_first_link(*, token: str, username: str, name: str, password: str, public_key: str, at: datetime) -> Person:
    """Make the first person, with the first grant and, if a public key is given, the first signing key.

    Raises LinkUsed, InvalidInput.
    """
    take_link(token, OneTimeLink.Purpose.BOOTSTRAP, at)
    if has_manager():
        raise LinkUsed("The portal has its first access manager already.")
    person = make_person(username=username, name=name, email="", kind=Person.Kind.PERSON, at=at)
    check_password(password, person)
    person.set_password(password)
    person.save(update_fields=["password"])
    keys = [_enrol(person, public_key, at)] if public_key.strip() else []
    grant_id = uuid7()
    until = at + timedelta(days=365)
    event = record(
        "bootstrap.granted",
        actor=person.subject,
        at=at,
        facts={
            "subject": str(person.subject),
            "grant": str(grant_id),
            "verbs": VERBS,
            "duties": list(DUTIES),
            "at": moment(at),
            "expires_at": moment(until),
            "keys": keys,
        },
    )
    grant = Grant.objects.create(
        id=grant_id,
        person=person,
        verbs=VERBS,
        environments=[],
        not_before_at=at,
        expires_at=until,
        reason="First access manager, by the one-time link.",
        granted_by=Person.objects.get(username="system:shipped"),
        event=event.id,
        created_at=at,
    )
    grant_rights.expand(grant)
    DutyAssignment.objects.bulk_create(DutyAssignment(person=person, duty=duty, since_at=at) for duty in DUTIES)
    return person


def _enrol(person: Person, public_key: str, at: datetime) -> dict[str, Any]:
    public = " ".join(public_key.split()[:2])
    try:
        mark = fingerprint(public)
    except (OpsError, ValueError) as problem:
        raise InvalidInput(
            [("/public_key", "is not an OpenSSH public key; give the whole line of a .pub file")]
        ) from problem
    EnrolledKey.objects.create(person=person, public=public, fingerprint=mark, enrolled_at=at)
    return {"subject": str(person.subject), "public": public, "fingerprint": mark}


def name_problems(*, username: str, name: str, email: str) -> list[tuple[str, str]]:
    """What nobody can be called, by field."""
    problems = []
    if not username or len(username) > 150 or not all(c.isalnum() or c in "._-@+" for c in username):
        problems.append(("/username", "1 to 150 letters, digits or . _ - @ +"))
    if not name.strip() or len(name) > 200:
        problems.append(("/name", "1 to 200 characters"))
    try:
        if email:
            validate_email(email)
    except ValidationError:
        problems.append(("/email", "is not an address"))
    return problems


def make_person(
    *,
    username: str,
    name: str,
    email: str,
    kind: str,
    at: datetime,
    owner: Person | None = None,
    subject: UUID | None = None,
) -> Person:
    """A person row without any right. Raises InvalidInput."""
    problems = name_problems(username=username, name=name, email=email)
    if username and Person.objects.filter(username=username).exists():
        problems.append(("/username", "is taken"))
    if problems:
        raise InvalidInput(problems)
    person = Person(username=username, name=name.strip(), email=email, kind=kind, created_at=at, owner=owner)
    person.subject = subject or person.subject
    person.set_unusable_password()
    person.save()
    return person


@transaction.atomic(durable=True)
def accept_invite(*, token: str, password: str, at: datetime) -> Person:
    """An invited person sets a password and is signed in from then on.

    Raises LinkUsed, InvalidInput, NotFound, LocalSignInOff.
    """
    if local_sign_in.in_force() != "on":
        raise local_sign_in.LocalSignInOff("Names and passwords of this portal do not open it any more.")
    link = take_link(token, OneTimeLink.Purpose.INVITE, at)
    person = link.person
    if person is None or not person.is_active or person.kind == Person.Kind.SERVICE:
        raise NotFound("This invitation belongs to nobody.")
    check_password(password, person)
    person.set_password(password)
    person.save(update_fields=["password"])
    record("person.joined", actor=person.subject, at=at, facts={"subject": str(person.subject)})
    return person
