"""The sequencer: takes events from outbox to log and signs a checkpoint each second; it alone reads the key."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.db import DatabaseError, connection, transaction

from procedures.domain.errors import OpsError
from procedures.evidence import erasures, known, moments
from procedures.evidence.models import Checkpoint, Event, Leaf, Outbox, Tile
from procedures.evidence.notes import LogKey, checkpoint_text
from procedures.evidence.record import record
from procedures.evidence.tree import EMPTY, Frontier, leaf_hash

log = structlog.get_logger(__name__)
BATCH = 500
TILE = 256
HEARTBEAT = timedelta(minutes=10)
LOCK = 0x0B5_E41D


class LogWentBack(OpsError):
    """The database's log is smaller than what was published, or differs from it: a restored backup or a fork."""

    code = "evidence.log-went-back"
    next_step = (
        "Do not go on with this database: restore the newest backup, or open a new log that names the old one "
        "(`opsportal recover`)."
    )


class Sequencer:
    """One per database. `published` remembers, beside the key, the last checkpoint that left this process; `newest`
    is where its note can be read by everybody.
    """

    def __init__(self, key: LogKey, published: Path, newest: Path | None = None) -> None:
        self.key = key
        self.published, self.newest = published, newest

    def step(self, at: datetime) -> int:
        """Append at most 500 events and sign the new checkpoint; how many were appended. Raises LogWentBack."""
        with transaction.atomic(durable=True):
            if not self.alone():
                return 0
            last = self.last()
            if last is None:
                known.remember(self.published, 0, EMPTY)  # from here on a log without this memory is a strange one
            events = [row.event for row in Outbox.objects.select_related("event").order_by("id")[:BATCH]]
            if not events:
                return 0
            moments.flag(events, at)
            frontier, note = self.take(last, events, at, by=self.key)
        self.publish(frontier, note)
        return len(events)

    def last(self) -> Checkpoint | None:
        """The newest checkpoint, compared with what was published. Raises LogWentBack."""
        last = Checkpoint.objects.order_by("-size").first()
        self.compare(last)
        return last

    def take(self, last: Checkpoint | None, events: list[Event], at: datetime, *, by: LogKey) -> tuple[Frontier, str]:
        """Append events behind a checkpoint, and sign the next one; within the caller's transaction."""
        frontier = load_frontier(last.size if last else 0)
        self._append(frontier, events)
        if self.newest is not None:
            erasures.keep(self.newest.with_name(erasures.NAME), by, events)
        Outbox.objects.filter(event__in=events).delete()
        note = by.sign(checkpoint_text(by.name, frontier.size, frontier.root()))
        Checkpoint.objects.create(size=frontier.size, root=frontier.root(), note=note, at=at)
        return frontier, note

    def alone(self) -> bool:
        """Whether no other sequencer is at it until this transaction ends."""
        if connection.vendor != "postgresql":
            return True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            return bool(cursor.fetchone()[0])

    def compare(self, last: Checkpoint | None) -> None:
        """Whether the log holds all that was published, and nothing beyond it that another key signed.

        Raises LogWentBack.
        """
        seen = known.remembered(self.published)
        have = last.size if last else 0
        if seen is None:
            if last is not None:
                raise LogWentBack(
                    f"This database holds a log of {have} events, and nothing beside the key says what was published."
                )
            return
        size, root = seen
        row = Checkpoint.objects.filter(pk=size).first()
        if size and (row is None or bytes(row.root) != root):
            raise LogWentBack(f"A checkpoint of size {size} was published; this database stands at {have}.")
        if last is not None and last.size > size and not known.signed_by(last.note, self.key.verifier):
            raise LogWentBack(f"The checkpoint of size {have} in this database is not signed by the key that is here.")

    def _append(self, frontier: Frontier, events: list[Event]) -> None:
        leaves, tiles = [], Tiles()
        for event in events:
            hash = leaf_hash(bytes(event.header))
            leaves.append(Leaf(index=frontier.size, event=event, leaf_hash=hash))
            for level, index, full in frontier.append(hash):
                if level % 8 == 0:
                    tiles.put(level // 8, index, full)
        Leaf.objects.bulk_create(leaves)
        tiles.store()

    def publish(self, frontier: Frontier, note: str) -> None:
        """Remember what leaves this process, and show it; after the commit."""
        known.remember(self.published, frontier.size, frontier.root())
        if self.newest is not None:
            known.publish(self.newest, note)


class Tiles:
    """The tiles that a batch grows: each is read once, and written once."""

    def __init__(self) -> None:
        self._grown: dict[tuple[int, int], bytes] = {}

    def put(self, level: int, index: int, hash: bytes) -> None:
        """The hash at `index` of a level. What the stored tile holds from there on is of a batch that never was."""
        place, offset = (level, index // TILE), index % TILE * 32
        if place not in self._grown:
            row = Tile.objects.filter(level=level, number=place[1]).values_list("hashes", flat=True).first()
            self._grown[place] = bytes(row or b"")
        self._grown[place] = self._grown[place][:offset] + hash

    def store(self) -> None:
        for (level, number), hashes in self._grown.items():
            Tile.objects.update_or_create(level=level, number=number, defaults={"hashes": hashes})


def load_frontier(size: int) -> Frontier:
    """The frontier of the tree of `size` leaves, from tiles: about eight hashes a level."""
    stack: list[bytes] = []
    start = 0
    for bit in reversed(range(size.bit_length())):
        if size >> bit & 1:
            stack.append(subtree(bit, start >> bit))
            start += 1 << bit
    return Frontier(size, stack)


def subtree(level: int, index: int) -> bytes:
    """The root of the full subtree `index` of height `level`, from the tile that holds it or what is below it."""
    base = level - level % 8
    first = index << (level - base)
    tile = Tile.objects.get(level=base // 8, number=first // TILE)
    offset = first % TILE
    count = 1 << (level - base)
    hashes = bytes(tile.hashes)[offset * 32 : (offset + count) * 32]
    frontier = Frontier()
    for i in range(count):
        frontier.append(hashes[i * 32 : (i + 1) * 32])
    return frontier.root()


def range_root(start: int, end: int) -> bytes:
    """The root over leaves [start, end) of the stored log, where start is a multiple of the range's largest power."""
    size, stack, at = end - start, [], start
    for bit in reversed(range(size.bit_length())):
        if size >> bit & 1:
            stack.append(subtree(bit, at >> bit))
            at += 1 << bit
    return Frontier(size, stack).root()


def beat(at: datetime) -> bool:
    """A heartbeat leaf when ten minutes passed without one, so that silence differs from deletion (G7)."""
    with transaction.atomic(durable=True):
        last = Event.objects.filter(kind="heartbeat").order_by("-id").first()
        if last is not None and at - last.at < HEARTBEAT:
            return False
        record("heartbeat", actor=None, at=at, facts={})
        return True


def run_forever(
    sequencer: Sequencer,
    stop: threading.Event,
    *,
    every_s: float = 1.0,
    check: Callable[[], None] = lambda: None,
    alive: Callable[[], None] = lambda: None,
    turned: Callable[[], bool] = lambda: False,
) -> None:
    """Once a second until `stop`; a database fault is told and tried again, a log that went back ends it.

    Ends too once `turned`, asked before each round, says that the key was changed: another Sequencer goes on.
    `check` is called before each round and may raise LogWentBack, `alive` after each that reached the database.
    """
    while not stop.is_set():
        try:
            check()
            if turned():
                return
            beat(moments.database_now())
            while sequencer.step(moments.database_now()) == BATCH:
                continue
            alive()
        except DatabaseError as problem:
            log.warning("sequencer.database", problem=str(problem))
            connection.close()
        stop.wait(every_s)
