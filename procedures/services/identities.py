"""People who arrive from an identity provider: known by (provider, subject) alone, never by mail or name."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, Sum

from procedures.domain.errors import IllegalState, NotFound
from procedures.domain.providers import Said, SignInRefused
from procedures.evidence.record import record
from procedures.models import Assertion, DenialCount, Identity, IdentityProvider, OneTimeLink, OpenSession, Person
from procedures.services import group_sync, identity_providers, sessions
from procedures.services.bootstrap import make_person, take_link
from procedures.services.unit import COALESCE_ABOVE, door

ANSWER_LIVES = timedelta(minutes=2)


class NotKnownHere(SignInRefused):
    """The provider vouches for somebody whom this portal was never told of; sign-up is closed (H32)."""

    code = "signin.not-known"
    next_step = "Ask an access manager of this portal for an invitation, and open its link before you sign in."


class LoginTaken(IllegalState):
    """A login at a provider belongs to one person for ever; nobody takes it over."""

    code = "identity.taken"
    next_step = "Sign in with it: it opens the account that it belongs to. An access manager can close that account."


def arrived(*, provider: str, said: Said, invite: str = "", at: datetime) -> Person:
    """The person whom a provider vouches for, with groups in line; the caller starts the session.

    `invite` is the secret part of an invitation that was opened in the same browser: the login becomes that person's.
    Raises NotKnownHere, SignInRefused, LoginTaken, LinkUsed, NotFound.
    """
    row = identity_providers.one(provider)
    try:
        with transaction.atomic(durable=True):
            person = _whose(row, said, invite, at)
            group_sync.synced(person, row, said, at=at)
    except SignInRefused as problem:
        refused(row, problem.message, at=at)
        raise
    return person


def _whose(provider: IdentityProvider, said: Said, invite: str, at: datetime) -> Person:
    same = Identity.objects.filter(provider=provider, subject=said.subject).select_related("person").first()
    if same is not None and invite:
        raise LoginTaken("This login belongs to an account of this portal already.")
    if same is None:
        same = _linked(provider, said, _newcomer(provider, said, invite, at), at)
    if not same.person.is_active or same.person.kind != Person.Kind.PERSON:
        raise SignInRefused("This account is closed.")
    Identity.objects.filter(pk=same.pk).update(last_at=at, name=said.name, email=said.email[:254])
    return same.person


def _newcomer(provider: IdentityProvider, said: Said, invite: str, at: datetime) -> Person:
    if invite:
        person = take_link(invite, OneTimeLink.Purpose.INVITE, at).person
        if person is None:
            raise NotFound("This invitation belongs to nobody.")
        record("person.joined", actor=person.subject, at=at, facts={"subject": str(person.subject)})
        return person
    if not provider.object["provision"]:
        raise NotKnownHere(f"{provider.title} knows you, but this portal does not.")
    person = make_person(
        username=_free_name(said, provider),
        name=said.name or said.username or f"Somebody of {provider.title}",
        email=said.email if "@" in said.email else "",
        kind=Person.Kind.PERSON,
        at=at,
    )
    record(
        "person.made",
        actor=identity_providers.stand_in(provider, at).subject,
        at=at,
        facts={"subject": str(person.subject), "kind": person.kind, "provider": provider.name},
        whose=person.subject,
        sensitive={"/username": person.username, "/name": person.name},
    )
    return person


def _free_name(said: Said, provider: IdentityProvider) -> str:
    """A name to sign in with that nobody has: one that is taken stays with whoever has it."""
    plain = re.sub(r"[^A-Za-z0-9._@+-]", "", said.username)[:100] or f"{provider.name}-{secrets.token_hex(4)}"
    for name in (plain, f"{plain}@{provider.name}"):
        if not Person.objects.filter(username__iexact=name).exists():
            return name
    return f"{plain}@{provider.name}+{secrets.token_hex(4)}"


def _linked(provider: IdentityProvider, said: Said, person: Person, at: datetime) -> Identity:
    row = Identity.objects.create(person=person, provider=provider, subject=said.subject, linked_at=at)
    record(
        "identity.linked",
        actor=person.subject,
        at=at,
        facts={"subject": str(person.subject), "provider": provider.name},
        whose=person.subject,
        sensitive={"/identity": said.subject},
    )
    return row


def link(*, actor: Person, provider: str, said: Said, at: datetime) -> None:
    """One more login of somebody who just gave their password again. Raises LoginTaken, NotFound."""
    row = identity_providers.one(provider)
    with transaction.atomic(durable=True):
        same = Identity.objects.filter(provider=row, subject=said.subject).first()
        if same is not None and same.person_id != actor.pk:
            raise LoginTaken("This login belongs to another account of this portal.")
        if same is None:
            _linked(row, said, actor, at)


def refused(provider: IdentityProvider, reason: str, *, at: datetime, verb: str = "sign_in") -> None:
    """A sign-in through a provider that came to nothing, on the record; past five a minute only counted (H31)."""
    with transaction.atomic():
        actor = identity_providers.stand_in(provider, at)
        minute = at.replace(second=0, microsecond=0)
        counter, _ = DenialCount.objects.get_or_create(person=actor, verb=verb, door=door.get(), minute=minute)
        DenialCount.objects.filter(pk=counter.pk).update(count=F("count") + 1)
        if counter.count < COALESCE_ABOVE:
            facts = {"provider": provider.name, "reason": reason[:300], "door": door.get()}
            record("identity.refused", actor=None, at=at, facts=facts)


def slowed(provider: IdentityProvider, username: str, address: str, *, at: datetime) -> str:
    """The name under which wrong passwords of this name from this address are counted.

    As at the portal's own passwords: few tries from one address, and a bound from all addresses together. Raises
    TooManyTries, AccountSlowed.
    """
    whose = sessions.directory_mark(username)
    rows = DenialCount.objects.filter(
        person__username=identity_providers.stand_in_name(provider), minute__gt=at - sessions.WINDOW
    )
    mark = f"{whose}{address}"[:60]
    if (rows.filter(verb=mark).aggregate(sum=Sum("count"))["sum"] or 0) >= sessions.TRIES:
        raise sessions.TooManyTries("Too many wrong passwords for this name from this address.")
    tries = rows.filter(verb__startswith=whose).aggregate(sum=Sum("count"))["sum"] or 0
    if tries >= sessions.ACCOUNT_TRIES and not _is_expected(provider, username.strip(), address, at):
        raise sessions.AccountSlowed(
            "Too many wrong passwords for this name, and it was not signed in from this address before."
        )
    return mark


def _is_expected(provider: IdentityProvider, username: str, address: str, at: datetime) -> bool:
    """Whether the person of this name signed in from this address before, or was let in by a manager just now."""
    names = Q(username__iexact=username) | Q(username__iexact=f"{username}@{provider.name}")
    people = Person.objects.filter(names, identities__provider=provider)
    let_in = DenialCount.objects.filter(person__in=people, verb=sessions.LET_IN, minute__gt=at - sessions.WINDOW)
    before = OpenSession.objects.filter(person__in=people, address=address, began_at__gt=at - sessions.KNOWN)
    return before.exists() or let_in.exists()


def taken(
    *, provider: IdentityProvider, assertion: str, question: str, until: datetime, said: Said, at: datetime
) -> str:
    """Keep what a SAML assertion proved for the browser that asked, and the handle for it. A second time: refused."""
    handle = secrets.token_urlsafe(32)
    with transaction.atomic(durable=True):
        Assertion.objects.filter(expires_at__lt=at, provider=provider).delete()
        if Assertion.objects.filter(provider=provider, assertion=assertion).exists():
            raise SignInRefused("This answer of the identity provider was used already.")
        Assertion.objects.create(
            provider=provider,
            assertion=assertion,
            question=question,
            handle_sha256=hashlib.sha256(handle.encode()).hexdigest(),
            said={name: getattr(said, name) for name in Said.__slots__},
            taken_at=at,
            expires_at=max(until, at + ANSWER_LIVES),
        )
    return handle


def answered(*, provider: str, handle: str, question: str, at: datetime) -> Said:
    """What was proved, for the browser whose own question it answers, once. Raises SignInRefused."""
    mark = hashlib.sha256(handle.encode()).hexdigest()
    with transaction.atomic(durable=True):
        row = Assertion.objects.select_for_update().filter(provider_id=provider, handle_sha256=mark).first()
        kept: Mapping[str, Any] | None = None if row is None else row.said
        if row is None or not kept or row.question != question or at > row.taken_at + ANSWER_LIVES:
            raise SignInRefused("This sign-in was not begun in this browser, or was finished already.")
        Assertion.objects.filter(pk=row.pk).update(used_at=at, said=None)
    return Said(**{**kept, "groups": tuple(kept["groups"])})
