"""How full the places are that evidence is written to, how fast they grow, and for how long they last."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection

from procedures.evidence.models import Event

ALARM, RESERVED = 0.7, 0.9  # shares of a place: from the one on people are told, the rest is for runs alone
LOOKED_AT = timedelta(days=30)
KNOWN_S = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """A place with a bound; `used` and `size` in bytes."""

    what: str
    used: int
    size: int

    @property
    def share(self) -> float:
        return self.used / self.size if self.size else 0.0


@dataclass(frozen=True, slots=True)
class Growth:
    """`year` is what evidence and tables of a year take, in bytes, as the last month was; None: nothing happened.

    `days`: until the fullest place reaches the reserve, 0 if it has.
    """

    year: int | None
    days: int | None


def places() -> list[Place]:
    """The portal's folder, and a database elsewhere where its bound is known (OPSPORTAL_DATABASE_GIB)."""
    disk = shutil.disk_usage(_there(Path(settings.OPSPORTAL_DATA_DIR)))
    found = [Place("the disk of the portal's folder", disk.used, disk.used + disk.free)]
    if connection.vendor == "postgresql" and settings.OPSPORTAL_DATABASE_GIB:
        found.append(Place("the database", database_bytes(), settings.OPSPORTAL_DATABASE_GIB << 30))
    return found


def _there(folder: Path) -> Path:
    return folder if folder.exists() else _there(folder.parent)


def database_bytes() -> int:
    """How much the database takes."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return int(cursor.fetchone()[0])


def growth(at: datetime) -> Growth:
    """From what an event takes with all that stands beside it, and how many there were in the last month."""
    events = Event.objects.count()
    first = Event.objects.order_by("id").values_list("at", flat=True).first()
    lately = Event.objects.filter(at__gt=at - LOOKED_AT).count()
    if first is None or not lately:
        return Growth(None, None)
    span = max(min(at - first, LOOKED_AT), timedelta(days=1))
    daily = database_bytes() / events * lately / (span / timedelta(days=1))
    left = min(place.size * RESERVED - place.used for place in places())
    return Growth(int(daily * 365), max(0, int(left / daily)))


_looked: tuple[float, list[Place]] | None = None


def looked_at() -> list[Place]:
    """The places as they were within the last ten seconds: a flood of refusals must not ask the disk each time."""
    global _looked  # noqa: PLW0603 - one memory for the process
    if _looked is None or time.monotonic() - _looked[0] > KNOWN_S:
        _looked = (time.monotonic(), places())
    return _looked[1]


def is_reserved() -> bool:
    """Whether what is left is for runs alone: refusals are counted then, and no longer told one by one (H31)."""
    return any(place.share >= RESERVED for place in looked_at())


def forget() -> None:
    """Look anew at the next question."""
    global _looked  # noqa: PLW0603
    _looked = None
