"""A person's notices: what was told, whether a mail of it went out, and what they want no mail of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from procedures.domain.errors import NotFound
from procedures.domain.notice_kind import Kind
from procedures.domain.notices import KINDS, sentences_of
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


def notices_of(person: Person, *, unread: bool = False, before: UUID | None = None, most: int = MOST) -> list[Told]:
    """The newest `most` of one's own, newest first; only unread ones, or those before one of them, if asked."""
    rows = Notice.objects.filter(person=person, kind__in=KINDS)
    if unread:
        rows = rows.filter(read_at__isnull=True)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return [Told(row, KINDS[row.kind].label, _says(row), STATES[row.state]) for row in rows.order_by("-id")[:most]]


def ids(texts: Iterable[str]) -> list[UUID]:
    """Ids as a form sends them. Raises NotFound for what is none."""
    try:
        return [UUID(text) for text in texts]
    except ValueError as problem:
        raise NotFound("There is no such notice.") from problem


def _says(row: Notice) -> str:
    return sentences_of(Ready(row.pk, row.kind, row.facts, row.path, row.at, "", ""), one_line)


def choices_of(person: Person) -> list[tuple[Kind, bool]]:
    """Every kind of notice with whether this person gets mail of it."""
    off = set(NoticeOff.objects.filter(person=person).values_list("kind", flat=True))
    return [(kind, kind.security or kind.name not in off) for kind in KINDS.values()]


def mail_is_on() -> bool:
    return bool(settings.OPSPORTAL_SMTP)
