"""People: made by access managers, invited by a link, holding tokens; rights come only from grants."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from procedures import access
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.evidence.record import record
from procedures.models import ApiToken, OneTimeLink, Person
from procedures.services.bootstrap import INVITE_LIVES, make_person, new_link
from procedures.services.unit import thing

TOKEN_PREFIX = "ops_"
TOKEN_MAX = timedelta(days=90)


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
    ApiToken.objects.filter(person=row, revoked_at__isnull=True).update(revoked_at=at)
    record("person.closed", actor=actor.subject, at=at, facts={"subject": str(row.subject)})
    row.refresh_from_db()
    return row


@thing
def make_token(
    *, actor: Person, name: str, days: int, at: datetime, bearer: bool = False, person: UUID | None = None
) -> tuple[ApiToken, str]:
    """A bearer token for oneself or an owned service account, shown once. Raises NotAllowed, InvalidInput."""
    if bearer:
        raise NotAllowed("A bearer token cannot make another token: sign in for that.")
    owner = actor if person is None else Person.objects.filter(subject=person, owner=actor).first()
    if owner is None:
        raise NotAllowed("Only the owner of a service account makes its tokens.")
    if not 1 <= days <= TOKEN_MAX.days:
        raise InvalidInput([("/days", f"1 to {TOKEN_MAX.days}")])
    if not name.strip() or len(name) > 100:
        raise InvalidInput([("/name", "1 to 100 characters")])
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        person=owner,
        name=name,
        prefix=secret[:12],
        token_sha256=hashlib.sha256(secret.encode()).hexdigest(),
        made_by=actor,
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    record(
        "token.made",
        actor=actor.subject,
        at=at,
        facts={"token": str(token.id), "subject": str(owner.subject), "days": days},
    )
    return token, secret


@thing
def revoke_token(*, actor: Person, token: UUID, at: datetime) -> None:
    row = ApiToken.objects.filter(pk=token).first()
    if row is None or actor.pk not in {row.person_id, row.made_by_id}:
        raise NotFound("You have no such token.")
    ApiToken.objects.filter(pk=token, revoked_at__isnull=True).update(revoked_at=at)
    record("token.revoked", actor=actor.subject, at=at, facts={"token": str(token)})


def bearer(secret: str, *, at: datetime) -> Person | None:
    """Whoever this token stands for, or None."""
    mark = hashlib.sha256(secret.encode()).hexdigest()
    row = (
        ApiToken.objects.select_related("person")
        .filter(token_sha256=mark, revoked_at__isnull=True, expires_at__gt=at, person__is_active=True)
        .first()
    )
    if row is None:
        return None
    if row.last_used_at is None or at - row.last_used_at > timedelta(minutes=1):
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=at)
    return row.person
