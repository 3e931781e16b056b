"""A person's notices: what was told, whether a mail of it went out, and what they want no mail of."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from procedures.domain.notices import KINDS, Kind, sentences_of
from procedures.domain.notices import Notice as Ready
from procedures.domain.text import one_line
from procedures.models import Notice, NoticeOff, Person

MOST = 50
STATES = {"waiting": "mail on its way", "sent": "mailed", "off": "not mailed", "given_up": "mail failed"}


@dataclass(frozen=True, slots=True)
class Told:
    """One notice as its page shows it."""

    notice: Notice
    label: str
    says: str
    state: str


def notices_of(person: Person) -> list[Told]:
    """The last fifty, newest first."""
    rows = Notice.objects.filter(person=person).order_by("-id")[:MOST]
    return [Told(row, KINDS[row.kind].label, _says(row), STATES[row.state]) for row in rows if row.kind in KINDS]


def _says(row: Notice) -> str:
    return sentences_of(Ready(row.pk, row.kind, row.facts, row.path, row.at, "", ""), one_line)


def choices_of(person: Person) -> list[tuple[Kind, bool]]:
    """Every kind of notice with whether this person gets mail of it."""
    off = set(NoticeOff.objects.filter(person=person).values_list("kind", flat=True))
    return [(kind, kind.security or kind.name not in off) for kind in KINDS.values()]


def mail_is_on() -> bool:
    return bool(settings.OPSPORTAL_SMTP)
