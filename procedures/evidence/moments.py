"""The database's own time, and events whose moment does not fit the place where they stand in the log (H35)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import connection

from procedures.domain.canonical import moment
from procedures.evidence.models import Event, Leaf
from procedures.evidence.record import record

OFF = timedelta(seconds=60)


def database_now() -> datetime:
    """The database's time at this instant, within a transaction too."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT clock_timestamp()")
            found: datetime = cursor.fetchone()[0]
            return found.astimezone(UTC)
        cursor.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
        return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)


def flag(events: Iterable[Event], at: datetime) -> int:
    """Record each of these events, in the order in which they were written, whose moment lies more than a minute after
    now or before one that was written earlier. Call in the transaction that appends them. Returns how many.
    """
    last = Leaf.objects.select_related("event").order_by("-index").first()
    highest, flagged = last.event.at if last is not None and last.event.at <= at + OFF else None, 0
    for event in events:
        off = event.at - at if event.at > at else timedelta(0)
        if highest is not None and event.at < highest:
            off = event.at - highest
        if abs(off) <= OFF:
            highest = event.at if highest is None else max(highest, event.at)
            continue
        facts = {"event": str(event.id), "at": moment(event.at), "seen": moment(at), "off_s": int(off.total_seconds())}
        record("clock.off", actor=None, at=at, facts=facts)
        flagged += 1
    return flagged
