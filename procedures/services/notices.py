"""Telling people: a notice each, in the transaction of what it tells of; a mail that fails holds nothing up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from procedures.domain.errors import InvalidInput, NotFound
from procedures.domain.notices import KINDS, LONGEST
from procedures.domain.notices import Notice as Ready
from procedures.evidence.record import record
from procedures.models import Notice, NoticeOff, Person
from procedures.services.unit import thing

BACKOFF = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 40, 60)]
GIVE_UP = timedelta(hours=24)
HELD = timedelta(minutes=5)  # how long a notice that is being delivered is left alone
AT_ONCE = 20
KEPT = timedelta(days=180)


def tell(kind: str, people: Iterable[Person], *, key: str, path: str, at: datetime, facts: Mapping[str, Any]) -> None:
    """Tell each person once of what `key` names. Call inside the transaction of the thing itself; nobody is waited for.

    `facts` hold names, numbers and moments alone, never what somebody typed as a reason or a comment.
    """
    told = {name: _text(value) for name, value in facts.items()}
    fixed = KINDS[kind].security  # a row written past `choose` switches nothing off
    off = set() if fixed else set(NoticeOff.objects.filter(kind=kind).values_list("person_id", flat=True))
    rows = []
    for person in {one.pk: one for one in people}.values():
        mails = bool(settings.OPSPORTAL_SMTP and person.email) and person.pk not in off
        state = Notice.State.WAITING if mails else Notice.State.OFF
        rows.append(
            Notice(person=person, kind=kind, key=key[:200], facts=told, path=path, at=at, state=state, next_at=at)
        )
    Notice.objects.bulk_create(rows, ignore_conflicts=True)


def _text(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)[: LONGEST + 1]


def any_due(*, at: datetime) -> bool:
    """Whether something waits to be delivered now."""
    return Notice.objects.filter(state=Notice.State.WAITING, next_at__lte=at).exists()


def take(*, at: datetime) -> list[Ready]:
    """Notices to deliver now, oldest first; each is left alone by others for five minutes.

    Whoever dies between delivering and saying so delivers again: at least once, under one Message-ID.
    """
    due = Notice.objects.filter(state=Notice.State.WAITING, next_at__lte=at).select_related("person").order_by("id")
    taken = []
    for row in due[:AT_ONCE]:
        mine = Notice.objects.filter(pk=row.pk, state=Notice.State.WAITING, next_at=row.next_at)
        if mine.update(next_at=at + HELD, attempts=row.attempts + 1):
            taken.append(Ready(row.pk, row.kind, row.facts, row.path, row.at, row.person.email, row.person.name))
    return taken


def delivered(*, notice: UUID, at: datetime) -> None:
    """The channel took it."""
    Notice.objects.filter(pk=notice).update(state=Notice.State.SENT, ended_at=at, problem="")


def failed(*, notice: UUID, why: str, final: bool, at: datetime) -> None:
    """Try again later, or after a day (or where it is of no use) give up, which is evidence."""
    with transaction.atomic():
        row = Notice.objects.select_for_update(of=("self",)).select_related("person").get(pk=notice)
        if row.state != Notice.State.WAITING:
            return
        if not final and at - row.at < GIVE_UP:
            later = at + BACKOFF[min(row.attempts, len(BACKOFF)) - 1]
            Notice.objects.filter(pk=notice).update(next_at=later, problem=why[:300])
            return
        Notice.objects.filter(pk=notice).update(state=Notice.State.GIVEN_UP, ended_at=at, problem=why[:300])
        facts = {"notice": str(notice), "kind": row.kind, "subject": str(row.person.subject), "attempts": row.attempts}
        record("notice.given_up", actor=None, at=at, facts={**facts, "why": why[:300]})


@thing
def choose(*, actor: Person, off: Iterable[str], at: datetime) -> None:
    """Which notices this person wants no mail of. Raises InvalidInput for security ones and unknown ones."""
    wanted = set(off)
    fixed = sorted(kind for kind in wanted if kind not in KINDS or KINDS[kind].security)
    if fixed:
        raise InvalidInput([("/off", f"{fixed[0][:60]!r} is no notice that can be switched off")])
    NoticeOff.objects.filter(person=actor).exclude(kind__in=wanted).delete()
    NoticeOff.objects.bulk_create((NoticeOff(person=actor, kind=k) for k in sorted(wanted)), ignore_conflicts=True)


@thing
def read(*, actor: Person, notices: Collection[UUID], at: datetime) -> int:
    """This person has read these; returns how many were unread. Those of others are not there for them: NotFound."""
    mine = Notice.objects.filter(person=actor, pk__in=notices)
    if mine.count() != len(set(notices)):
        raise NotFound("There is no such notice.")
    return mine.filter(read_at__isnull=True).update(read_at=at)


def forget(*, at: datetime) -> int:
    """Drop notices of half a year ago: what they told of is in the evidence."""
    first = Notice.objects.order_by("pk").values_list("pk", "at", "state")[:AT_ONCE]
    old = [pk for pk, made, state in first if made < at - KEPT and state != Notice.State.WAITING]
    return Notice.objects.filter(pk__in=old).delete()[0] if old else 0
