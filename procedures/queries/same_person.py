"""Accounts that may be one person: they share a mail, a name or a key (H26). For who answers for access to look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from procedures import access
from procedures.domain.errors import NotAllowed
from procedures.models import ControlChange, Identity, Person


@dataclass(frozen=True, slots=True)
class Alike:
    """What these accounts share: `by` is mail, name or key."""

    by: str
    value: str
    people: tuple[Person, ...]


def may_look(actor: Person, at: datetime) -> bool:
    return any(access.decide(actor, verb, at=at).allowed for verb in ("manage_access", "audit"))


def alike(actor: Person, at: datetime) -> list[Alike]:
    """Every set of two accounts or more that share something, closed accounts too. Raises NotAllowed."""
    if not may_look(actor, at):
        raise NotAllowed("Only access managers and auditors see which accounts may be one person.")
    people = {p.pk: p for p in Person.objects.filter(kind=Person.Kind.PERSON)}
    identities = list(Identity.objects.all())
    mails = [(p.email, p.pk) for p in people.values()] + [(i.email, i.person_id) for i in identities]
    names = [(p.name, p.pk) for p in people.values()] + [(i.name, i.person_id) for i in identities]
    by_subject = {str(p.subject): p.pk for p in people.values()}
    keys = [
        (str(change.object["public"]), by_subject.get(str(change.object["subject"]), 0))
        for change in ControlChange.objects.filter(control="key")
    ]
    found = [*_sets("mail", ((_mail(text), pk) for text, pk in mails), people)]
    found += _sets("name", ((" ".join(text.casefold().split()), pk) for text, pk in names), people)
    return found + _sets("key", keys, people)


def _mail(text: str) -> str:
    """A mail address in one form: case and what follows a plus make no other person."""
    name, at, host = text.strip().casefold().rpartition("@")
    return f"{name.partition('+')[0]}@{host}" if at else ""


def _sets(by: str, rows: Iterable[tuple[str, int]], people: dict[int, Person]) -> list[Alike]:
    found: dict[str, set[int]] = {}
    for value, pk in rows:
        if value and pk in people:
            found.setdefault(value, set()).add(pk)
    return [
        Alike(by, value[:200], tuple(sorted((people[pk] for pk in pks), key=lambda p: p.username)))
        for value, pks in sorted(found.items())
        if len(pks) > 1
    ]
