"""Service accounts: software with an owner who stands behind whatever it asks for; no password, no sign-in.

Making one and giving it to another owner is a control change, which nobody signs who would own it: whoever owns an
account gains from what it was given, and stands behind what it asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from procedures import access
from procedures.evidence.record import record
from procedures.models import ControlChange, Person
from procedures.services.bootstrap import make_person
from procedures.services.tokens import end_tokens


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the control object of a service account may not say."""
    found = []
    if not Person.objects.filter(subject=object["owner"], kind=Person.Kind.PERSON, is_active=True).exists():
        found.append(("/object/owner", "is no person with an open account"))
    known = Person.objects.filter(subject=object["account"]).first()
    if known is not None and (known.kind != Person.Kind.SERVICE or known.username != object["username"]):
        found.append(("/object/account", "is somebody else's subject, or the name was changed"))
    if Person.objects.filter(username=object["username"]).exclude(subject=object["account"]).exists():
        found.append(("/object/username", "is taken"))
    return found


def put_in_force(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """The account and who owns it, as a confirmed change says."""
    put_in_hands(change, Person.Kind.SERVICE, object["account"], object, at)


def put_in_hands(
    change: ControlChange, kind: Person.Kind, subject: str, object: Mapping[str, Any], at: datetime
) -> Person:
    """Software, made or given to the owner that a confirmed change names; in other hands its tokens end."""
    owner = Person.objects.get(subject=object["owner"])
    row = Person.objects.select_for_update(of=("self",)).filter(subject=subject).first()
    if row is None:
        row = make_person(
            username=object["username"],
            name=object["name"],
            email="",
            kind=kind,
            at=at,
            owner=owner,
            subject=UUID(subject),
        )
        facts = {"subject": subject, "kind": kind.value, "owner": object["owner"]}
        record("person.made", actor=change.proposer.subject, at=at, facts=facts)
    elif row.owner_id != owner.pk or not row.is_active:
        end_tokens(row, at)  # whoever owned it knows them
    Person.objects.filter(pk=row.pk).update(owner=owner, name=object["name"], is_active=True)
    return row


def suspend_owned(person: Person, actor: Person, at: datetime) -> list[Person]:
    """The accounts of somebody who leaves can do nothing until they have another owner; within that transaction."""
    rows = list(Person.objects.filter(owner=person, is_active=True).exclude(kind=Person.Kind.PERSON))
    for row in rows:
        Person.objects.filter(pk=row.pk).update(is_active=False)
        end_tokens(row, at)
        facts = {"subject": str(row.subject), "owner": str(person.subject), "why": "its owner left"}
        record("account.suspended", actor=actor.subject, at=at, facts=facts)
    return rows


def accounts_for(actor: Person, at: datetime) -> QuerySet[Person]:
    """Service accounts: all for access managers and auditors, else one's own."""
    rows = Person.objects.filter(kind=Person.Kind.SERVICE).select_related("owner").order_by("-is_active", "name")
    if any(access.decide(actor, verb, at=at).allowed for verb in ("manage_access", "audit")):
        return rows
    return rows.filter(owner=actor)
