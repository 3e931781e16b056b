"""How the log has been living: its lag, its heartbeats, and the times in which none was written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Window
from django.db.models.functions import Lag

from procedures.evidence.models import Anchor, AnchorState, Event, LogCheck, Outbox
from procedures.evidence.sequence import HEARTBEAT

LATE = HEARTBEAT + timedelta(minutes=1)
SHOWN, LOOKED_AT = 20, timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Silence:
    """No heartbeat came between these moments: evidence could not be written, so nothing new started. It ends None
    while it lasts.
    """

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Stamped:
    """The last time stamp of somebody else's clock (RFC 3161), and what is wrong with the authority, if anything."""

    size: int
    at: datetime | None
    authority: str
    problem: str


@dataclass(frozen=True, slots=True)
class Pulse:
    """`lag_s`: how long the oldest event waits for the log. `silences`: of the last ninety days, newest first."""

    last_beat: datetime | None
    waiting: int
    lag_s: float
    silences: list[Silence]
    check: LogCheck | None
    stamped: Stamped | None

    @property
    def beats(self) -> bool:
        return not (self.silences and self.silences[0].until is None)


def pulse(at: datetime) -> Pulse:
    """As it stands at `at`."""
    last = Event.objects.filter(kind="heartbeat").order_by("-id").values_list("at", flat=True).first()
    oldest = Outbox.objects.order_by("id").values_list("event__at", flat=True).first()
    lag_s = max(0.0, (at - oldest).total_seconds()) if oldest else 0.0
    now = [Silence(last, None)] if last is not None and at - last > LATE else []
    newest = LogCheck.objects.order_by("-id").first()
    return Pulse(last, Outbox.objects.count(), lag_s, now + _past(at), newest, _stamped())


def _stamped() -> Stamped | None:
    """None where the portal has no authority and never had one."""
    state = AnchorState.objects.filter(pk=1).first()
    row = Anchor.objects.defer("token").order_by("-id").first()
    problem = state.problem if state else ""
    if row is None:
        return Stamped(0, None, "", problem) if state else None
    return Stamped(row.checkpoint_id, row.at, row.authority, problem)


def _past(at: datetime) -> list[Silence]:
    before = Window(Lag("at"), order_by=F("id").asc())
    rows = Event.objects.filter(kind="heartbeat", at__gte=at - LOOKED_AT).annotate(before=before)
    gaps = rows.filter(at__gt=F("before") + LATE).order_by("-id").values_list("before", "at")
    return [Silence(since, until) for since, until in gaps[:SHOWN]]
