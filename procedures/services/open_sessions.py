"""Sessions as people know them: begun at sign-in, seen, made stronger, ended by time, their person or a manager."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth import login
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from procedures import access
from procedures.domain.errors import NotAllowed, NotFound
from procedures.domain.text import visible
from procedures.evidence.record import record
from procedures.models import OpenSession, Person
from procedures.services.kept_sessions import at_rest
from procedures.services.unit import door, thing

NAMED = "opsportal_session"  # in the cookie's session: which row it is
BACKEND = "procedures.access.backend.PasswordBackend"
SEEN_EVERY = timedelta(minutes=1)
COMMAND_LINE = timedelta(hours=8)
TRIES = 5  # of changing the row of a cookie's session that other requests write meanwhile


def begin(
    request: HttpRequest,
    person: Person,
    *,
    at: datetime,
    kind: str = "web",
    backend: str = BACKEND,
    provider: str = "",
) -> None:
    """Sign a person in whose proof the caller has judged: a fresh session key, a row, an event.

    `provider` is the identity provider whose word that proof is.
    """
    login(request, person, backend=backend)
    with transaction.atomic():
        row = _opened(request, person, kind, at)
        facts = {"subject": str(person.subject), "door": door.get(), "session": str(row.pk), "kind": kind}
        facts |= {"provider": provider} if provider else {}
        record("session.opened", actor=person.subject, at=at, facts=facts)


def _opened(request: HttpRequest, person: Person, kind: str, at: datetime) -> OpenSession:
    longest = timedelta(hours=settings.OPSPORTAL_SESSION_HOURS)
    row = OpenSession.objects.create(
        person=person,
        kind=kind,
        device=visible(request.META.get("HTTP_USER_AGENT", ""))[:300],
        address=request.META.get("REMOTE_ADDR", "")[:64],
        began_at=at,
        seen_at=at,
        until_at=at + (min(longest, COMMAND_LINE) if kind == "cli" else longest),
    )
    request.session[NAMED] = str(row.pk)
    return row


def of_request(request: HttpRequest, person: Person, *, at: datetime) -> OpenSession | None:
    """The row of the session that this request carries, or None where it is over; one without a row gets it."""
    if not person.is_active:
        return None
    named = request.session.get(NAMED)
    if named is None:
        return _opened(request, person, "web", at)
    row = OpenSession.objects.filter(pk=named, person=person).first()
    if row is None or row.ended_at is not None:
        return None
    if why := _over(row, at):
        _end(row, why, person, at)
        return None
    if at - row.seen_at > SEEN_EVERY:
        OpenSession.objects.filter(pk=row.pk).update(seen_at=at, address=request.META.get("REMOTE_ADDR", "")[:64])
    return row


def _over(row: OpenSession, at: datetime) -> str:
    if row.until_at <= at:
        return "its time is over"
    idle = timedelta(minutes=settings.OPSPORTAL_SESSION_IDLE_MIN)
    return "not used" if row.kind == "web" and row.seen_at + idle <= at else ""


def caller_of(row: OpenSession) -> access.Caller:
    """How whoever holds this session calls."""
    return access.Caller(
        person=row.person_id, session=row.pk, kind=row.kind, proved=row.proved, proved_at=row.proved_at
    )


def proved(actor: Person, strength: str, at: datetime) -> None:
    """A second factor was proved through this session just now, within the transaction of what it decides."""
    call = access.calling(actor)
    if call is not None and call.session is not None:
        OpenSession.objects.filter(pk=call.session).update(proved=strength, proved_at=at)
        access.caller.set(replace(call, proved=strength, proved_at=at))


def live(person: Person, at: datetime) -> QuerySet[OpenSession]:
    """Sessions of a person that are open now, last used first."""
    idle = at - timedelta(minutes=settings.OPSPORTAL_SESSION_IDLE_MIN)
    rows = OpenSession.objects.filter(person=person, ended_at__isnull=True, until_at__gt=at)
    return rows.exclude(kind="web", seen_at__lte=idle).order_by("-seen_at")


def stands(session: UUID | None, at: datetime) -> bool:
    """Whether a session that something was begun with is still open; true where none is known."""
    row = OpenSession.objects.filter(pk=session).first() if session else None
    return session is None or (row is not None and row.ended_at is None and row.until_at > at)


@thing
def end_session(*, actor: Person, session: UUID, at: datetime) -> None:
    """End one's own session, or as an access manager that of another. Raises NotFound."""
    manages = access.decide(actor, "manage_access", at=at).allowed
    row = OpenSession.objects.select_related("person").filter(pk=session, ended_at__isnull=True).first()
    own = row is not None and row.person_id == actor.pk
    if row is None or not (own or manages):
        raise NotFound("There is no such session.")
    _end(row, "ended by its person" if own else "ended by an access manager", actor, at)


def sessions_of(*, actor: Person, person: UUID, at: datetime) -> QuerySet[OpenSession]:
    """Open sessions: one's own, or as an access manager those of another. Raises NotAllowed, NotFound."""
    return live(_person(actor, person, at), at)


def _person(actor: Person, subject: UUID, at: datetime) -> Person:
    manages = access.decide(actor, "manage_access", at=at)
    if subject == actor.subject:
        return actor
    if not manages.allowed:
        raise NotAllowed(manages.reason)
    row = Person.objects.filter(subject=subject).first()
    if row is None:
        raise NotFound("There is no such person.")
    return row


@thing
def end_sessions(*, actor: Person, person: UUID, at: datetime, but: UUID | None = None) -> int:
    """End every session of a person but one: one's own, or as an access manager those of another. Raises NotAllowed."""
    row = _person(actor, person, at)
    why = "ended by its person" if row == actor else "ended by an access manager"
    rows = [one for one in live(row, at) if one.pk != but]
    for one in rows:
        _end(one, why, actor, at)
    return len(rows)


def _end(row: OpenSession, why: str, actor: Person, at: datetime) -> None:
    with transaction.atomic():
        if OpenSession.objects.filter(pk=row.pk, ended_at__isnull=True).update(ended_at=at):
            subject = str(Person.objects.values_list("subject", flat=True).get(pk=row.person_id))
            facts = {"session": str(row.pk), "subject": subject, "why": why}
            record("session.ended", actor=actor.subject, at=at, facts=facts)


def end_all(person: Person, at: datetime) -> int:
    """End every session of a person who is closed, within that transaction, whose event tells how many."""
    return OpenSession.objects.filter(person=person, ended_at__isnull=True).update(ended_at=at)


def taken_out(session: SessionBase, place: str) -> bool:
    """Take what a request saw in its cookie's session at `place` out of that row; false where another one was first.

    A session is read once and written whole, so only its row, changed where nobody changed it meanwhile, tells.
    """
    for _ in range(TRIES):
        row = Session.objects.filter(pk=at_rest(session.session_key)).first()
        there = row.get_decoded() if row else {}
        if row is None or there.pop(place, None) != session.get(place):
            return False
        left = session.encode(there)
        if Session.objects.filter(pk=row.pk, session_data=row.session_data).update(session_data=left):
            return True
    return False


def leave(request: HttpRequest, *, at: datetime) -> None:
    """The person signs out: the row ends too; the caller forgets the cookie's session."""
    named = request.session.get(NAMED)
    if named is not None and isinstance(request.user, Person):
        row = OpenSession.objects.filter(pk=named, person=request.user).first()
        if row is not None:
            _end(row, "signed out", request.user, at)
