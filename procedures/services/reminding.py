"""What is told ahead of time: each thing once at each point of its time, however often the sweeper looks."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from procedures.models import Grant, Membership, Person, Reminded
from procedures.services.deciding_late import once, remind_deciders
from procedures.services.notices import tell

MOST = 100
AHEAD = (("grant.7d", timedelta(days=7), "7 days"), ("grant.1d", timedelta(days=1), "1 day"))


def remind(*, at: datetime) -> int:
    """One round. Returns of how many things somebody was reminded."""
    ending = sum(_grants_ending(kind, ahead, left, at) for kind, ahead, left in reversed(AHEAD))
    return ending + remind_deciders(at=at)


def _grants_ending(kind: str, ahead: timedelta, left: str, at: datetime) -> int:
    """Grants that end soon and were made for longer than that."""
    done = Reminded.objects.filter(kind=kind).values("about")
    soon = Grant.objects.filter(revoked_at__isnull=True, expires_at__gt=at, expires_at__lte=at + ahead)
    told = 0
    for grant in soon.exclude(pk__in=done).select_related("person", "procedure").order_by("pk")[:MOST]:
        with transaction.atomic():
            long_enough = grant.expires_at - grant.created_at > ahead
            if once(kind, grant.pk, at) and long_enough:
                _tell_of(grant, kind, left, at)
                told += 1
    return told


def _tell_of(grant: Grant, kind: str, left: str, at: datetime) -> None:
    if kind == "grant.1d":  # the week's reminder is of no use any more
        once("grant.7d", grant.pk, at)
    members = Membership.objects.filter(group=grant.group).select_related("person")
    people = [grant.person] if grant.person else [member.person for member in members]
    facts = {
        "what": grant.procedure.name if grant.procedure else "procedures",
        "verbs": ", ".join(verb.replace("_", " ") for verb in grant.verbs),
        "until": grant.expires_at,
        "left": left,
    }
    persons = [one for one in people if one.kind == Person.Kind.PERSON and one.is_active]
    tell("grant.ends", persons, key=f"{kind}:{grant.pk}", path="/access/", at=at, facts=facts)
