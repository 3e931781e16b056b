"""People whom a directory pushes over SCIM: made, renamed and closed; each directory touches its own alone.

Somebody is known by the directory's external id, which is the name that the same provider vouches for at a sign-in.
Nothing is linked by mail or user name: what is taken is refused, and the refusal is evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from procedures.domain.directories import Pushed
from procedures.domain.errors import IllegalState, InvalidInput, NotFound
from procedures.domain.text import visible
from procedures.evidence.record import record
from procedures.models import DirectoryEntry, DirectoryMember, Identity, IdentityProvider, Person
from procedures.services import directory_groups
from procedures.services.bootstrap import make_person, name_problems
from procedures.services.chains import through
from procedures.services.identity_providers import directory
from procedures.services.leavers import close_by_directory


class TakenHere(IllegalState):
    """A name, an address or an external id belongs to an account that this entry is not."""

    code = "directory.taken"
    next_step = "Give this person another name or address, or have an access manager close the account that has it."


class ClosedHere(IllegalState):
    """An access manager closed the account, so no directory opens it."""

    code = "directory.closed-here"
    next_step = "Ask an access manager of the portal: they invite whoever comes back."


def entries(provider: IdentityProvider) -> Any:
    """The people that this directory owns and has not deleted."""
    return DirectoryEntry.objects.filter(provider=provider, left_at__isnull=True).select_related("person")


def one(provider: IdentityProvider, entry: UUID, *, held: bool) -> DirectoryEntry:
    """`held`: until the transaction ends. Raises NotFound for whatever is not this directory's."""
    rows = entries(provider).select_for_update(of=("self",)) if held else entries(provider)
    row: DirectoryEntry | None = rows.filter(pk=entry).first()
    if row is None:
        raise NotFound("This directory has no such user.")
    return row


def enter(*, provider: IdentityProvider, pushed: Pushed, at: datetime) -> DirectoryEntry:
    """A person whom a directory tells of for the first time, or again. Call inside a transaction.

    Raises TakenHere, ClosedHere, InvalidInput.
    """
    row = _known(provider, pushed)
    if row is None:
        row = _owned(provider, _newcomer(provider, pushed, at), pushed, "made", at)
    if row.left_at is not None:
        DirectoryEntry.objects.filter(pk=row.pk).update(left_at=None, made_at=at)
    _link(row, pushed, at)
    return change(row, pushed, at=at)


def _known(provider: IdentityProvider, pushed: Pushed) -> DirectoryEntry | None:
    """The entry of somebody who comes back, or of somebody who signed in by this provider before it pushed people."""
    if not pushed.external_id:
        return None
    row = DirectoryEntry.objects.filter(provider=provider, external_id=pushed.external_id)
    found = row.select_for_update(of=("self",)).select_related("person").first()
    if found is not None and found.left_at is None:
        raise TakenHere("This directory has a user with this externalId already.")
    login = Identity.objects.filter(provider=provider, subject=pushed.external_id).select_related("person").first()
    if found is not None or login is None:
        return found
    if not _is_its_own(login.person, provider):
        raise TakenHere("The login with this externalId opens an account that this directory does not own.")
    return _owned(provider, login.person, pushed, "taken over", login.linked_at)


def _is_its_own(person: Person, provider: IdentityProvider) -> bool:
    """Whether an account came by this provider alone: it has no password and no login elsewhere."""
    elsewhere = Identity.objects.filter(person=person).exclude(provider=provider).exists()
    plain = person.kind == Person.Kind.PERSON and not person.is_staff and not person.has_usable_password()
    return plain and person.is_active and not elsewhere and not DirectoryEntry.objects.filter(person=person).exists()


def _newcomer(provider: IdentityProvider, pushed: Pushed, at: datetime) -> Person:
    _free(pushed, None, provider, at)
    person = make_person(username=pushed.username, name=pushed.name, email=pushed.email, kind=Person.Kind.PERSON, at=at)
    record(
        "person.made",
        actor=directory(provider, at).subject,
        at=at,
        facts={"subject": str(person.subject), "kind": person.kind, "provider": provider.name},
        whose=person.subject,
        sensitive={"/username": person.username, "/name": person.name},
    )
    return person


def _owned(provider: IdentityProvider, person: Person, pushed: Pushed, action: str, at: datetime) -> DirectoryEntry:
    row = DirectoryEntry.objects.create(
        provider=provider, person=person, external_id=pushed.external_id, said=pushed.said, made_at=at, changed_at=at
    )
    _note(row, action, [], at)
    return row


def _link(entry: DirectoryEntry, pushed: Pushed, at: datetime) -> None:
    """The first external id is the login of this person at this provider, for ever; a later one is a note."""
    mine = Identity.objects.filter(provider=entry.provider, person=entry.person)
    if not pushed.external_id or mine.exists():
        return
    Identity.objects.create(person=entry.person, provider=entry.provider, subject=pushed.external_id, linked_at=at)
    _note_login(entry, pushed.external_id, at)


def _note_login(entry: DirectoryEntry, login: str, at: datetime) -> None:
    record(
        "identity.linked",
        actor=directory(entry.provider, at).subject,
        at=at,
        facts={"subject": str(entry.person.subject), "provider": entry.provider.name},
        whose=entry.person.subject,
        sensitive={"/identity": login},
    )


def change(entry: DirectoryEntry, pushed: Pushed, *, at: datetime) -> DirectoryEntry:
    """Bring one person in line with what their directory says now. Call inside a transaction; twice is once.

    Raises TakenHere, ClosedHere, LastManager, InvalidInput.
    """
    back = bool(pushed.active) and not entry.person.is_active
    if back:
        entry = _back(entry, pushed, at)
    person, provider = entry.person, entry.provider
    now = {"username": pushed.username, "name": pushed.name, "email": pushed.email}
    fields = [name for name, value in now.items() if getattr(person, name) != value]
    if fields:
        if problems := name_problems(**now):
            raise InvalidInput(problems)
        _free(pushed, person, provider, at)
        Person.objects.filter(pk=person.pk).update(**now)
    if pushed.external_id != entry.external_id:
        fields.append("external_id")
        _free_id(entry, pushed)
        _link(entry, pushed, at)
    fields += ["said"] if dict(pushed.said) != entry.said else []
    if fields:
        DirectoryEntry.objects.filter(pk=entry.pk).update(external_id=pushed.external_id, said=pushed.said)
        _note(entry, "changed", fields, at, {f"/{name}": now[name] for name in fields if name in now})
    closed = pushed.active is False and _closed(entry, at)
    if fields or closed or back:
        DirectoryEntry.objects.filter(pk=entry.pk).update(revision=entry.revision + 1, changed_at=at)
    entry = DirectoryEntry.objects.select_related("person", "provider").get(pk=entry.pk)
    directory_groups.in_line(entry, at=at)
    return entry


def _free_id(entry: DirectoryEntry, pushed: Pushed) -> None:
    if not pushed.external_id:
        return
    others = DirectoryEntry.objects.filter(provider=entry.provider, external_id=pushed.external_id)
    logins = Identity.objects.filter(provider=entry.provider, subject=pushed.external_id)
    if others.exclude(pk=entry.pk).exists() or logins.exclude(person=entry.person).exists():
        raise TakenHere("This externalId belongs to somebody else.")


def _closed(entry: DirectoryEntry, at: datetime) -> bool:
    """Close the account of somebody who left, for good; False where it was closed before."""
    if not entry.person.is_active:
        return False
    close_by_directory(directory=directory(entry.provider, at), person=entry.person.subject, at=at)
    DirectoryEntry.objects.filter(pk=entry.pk).update(closed_at=at)
    return True


def _back(entry: DirectoryEntry, pushed: Pushed, at: datetime) -> DirectoryEntry:
    """Whoever comes back gets another account, which their login opens; the old one stays closed, and its own."""
    if entry.closed_at is None:
        raise ClosedHere("An access manager closed this account.")
    old, provider = entry.person, entry.provider
    _aside(entry, at)
    person = _newcomer(provider, pushed, at)
    DirectoryEntry.objects.filter(pk=entry.pk).update(person=person, closed_at=None)
    entry = DirectoryEntry.objects.select_related("person", "provider").get(pk=entry.pk)
    for login in Identity.objects.filter(provider=provider, person=old):
        Identity.objects.filter(pk=login.pk).update(person=person, linked_at=at, last_at=None)
        _note_login(entry, login.subject, at)
    _note(entry, "came back", [], at, before=str(old.subject))
    return entry


def _aside(entry: DirectoryEntry, at: datetime) -> None:
    """A closed account lets go of its name and address."""
    aside = f"{entry.person.username[:130]}+{str(entry.person.subject)[-12:]}"
    Person.objects.filter(pk=entry.person.pk).update(username=aside, email="")
    _note(entry, "renamed", ["username", "email"], at, {"/username": aside})


def remove(entry: DirectoryEntry, *, at: datetime) -> None:
    """A directory deletes somebody: the account is closed at once, and known again if they come back.

    Call inside a transaction. Raises LastManager.
    """
    _closed(entry, at)
    DirectoryMember.objects.filter(entry=entry).delete()
    DirectoryEntry.objects.filter(pk=entry.pk).update(left_at=at, said={}, changed_at=at, revision=entry.revision + 1)
    entry.refresh_from_db()
    directory_groups.in_line(entry, at=at)
    _note(entry, "deleted", [], at)


def _free(pushed: Pushed, person: Person | None, provider: IdentityProvider, at: datetime) -> None:
    """Refuse a name or an address that somebody else has. The name of whom this directory deleted is free again."""
    same = Q(username__iexact=pushed.username)
    same |= Q(email__iexact=pushed.email, is_active=True) if pushed.email else Q()
    others = Person.objects.filter(same)
    for other in others.exclude(pk=person.pk) if person else others:
        gone = DirectoryEntry.objects.filter(person=other, provider=provider, left_at__isnull=False).first()
        if gone is None:
            what = "userName" if other.username.casefold() == pushed.username.casefold() else "address"
            raise TakenHere(f"This {what} belongs to another account of the portal.")
        _aside(gone, at)


def _note(
    entry: DirectoryEntry,
    action: str,
    fields: list[str],
    at: datetime,
    values: Mapping[str, str] | None = None,
    **more: str,
) -> None:
    person, provider, actor = entry.person, entry.provider, directory(entry.provider, at)
    facts = {"provider": provider.name, "subject": str(person.subject), "action": action, "fields": fields, **more}
    record(
        "directory.changed",
        actor=actor.subject,
        at=at,
        facts={**facts, **through(actor)},
        whose=person.subject,
        sensitive={pointer: visible(value) for pointer, value in (values or {}).items() if value},
    )
