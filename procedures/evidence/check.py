"""fsck for the log: recomputes everything that can be recomputed, and says what does not fit. Memory stays bounded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection

from procedures.evidence import check_cold, check_runs, erasures
from procedures.evidence.cold import is_place
from procedures.evidence.cosignatures import NEWEST, holds
from procedures.evidence.findings import Finding
from procedures.evidence.mirrored import Mirrored, mirrored
from procedures.evidence.models import Checkpoint, Cosignature, Event, Leaf, Outbox, Tile
from procedures.evidence.notes import Head, NoteRefused, head_of, split_note
from procedures.evidence.reigns import Reigns
from procedures.evidence.tiles import HASH, WIDTH
from procedures.evidence.tree import Frontier, leaf_hash
from procedures.evidence.triggers import fixed, missing

CHUNK = 100
MIRROR_LATE = timedelta(days=8)  # longer than the longest time between two of its rounds


def check(purged: AbstractSet[str] = frozenset()) -> list[str]:
    """One sentence per problem of what the database holds by itself; empty when all of it agrees.

    `purged` are runs that were purged by an agreement which this log has lost.
    """
    return [one.text for one in itself(purged)]


def itself(purged: AbstractSet[str] = frozenset()) -> Iterator[Finding]:
    """Log, tiles, bodies, checkpoints, cosignatures, guards, runs and runners' sequences."""
    yield from (Finding("trigger", f"The trigger {name} is missing.") for name in missing(connection))
    yield from _log(erasures.purged() | purged)
    yield from _cosignatures() if "evidence_cosignature" in fixed(connection) else ()
    lost = Event.objects.filter(leaf__isnull=True, outbox__isnull=True).count()
    if lost:
        waiting = Outbox.objects.count()
        yield Finding("event.lost", f"{lost} events are neither in the log nor on their way ({waiting} are).")
    yield from check_runs.runs()
    yield from check_cold.bundles()


def kept_outside() -> list[tuple[str, Head]]:
    """What was published and cosigned, as files say; to be read before the database is, which goes on."""
    public, found = Path(settings.OPSPORTAL_PUBLIC_DIR), []
    for name, what in ((NEWEST, "A quorum of witnesses cosigned"), ("checkpoint", "The sequencer published")):
        with suppress(FileNotFoundError, NoteRefused):
            found.append((what, head_of(split_note((public / name).read_text())[0])))
    if (copy := mirrored()) is not None and copy.size:
        found.append(("The mirror holds", Head(copy.origin, copy.size, bytes.fromhex(copy.root))))
    return found


def outside(kept: Iterable[tuple[str, Head]]) -> Iterator[Finding]:
    """What was kept elsewhere against what the database holds, and whether the log's keys signed its checkpoints."""
    public = Path(settings.OPSPORTAL_PUBLIC_DIR)
    last = Checkpoint.objects.order_by("-size").first()
    for what, head in kept:
        yield from _kept(what, head, last.size if last else 0)
    if (copy := mirrored()) is not None and copy.problem:
        said = f"{copy.problem} It is so since {copy.problem_at[:16]} UTC."
        yield Finding("mirror.differs" if copy.differs else "mirror.behind", said, sure=copy.differs)
    elif copy is not None and last is not None and copy.size < last.size:
        yield from _behind(copy, last)
    reigns = Reigns.published()
    if last is not None and not reigns.keys:
        yield Finding("key.unknown", f"No key of the log lies in {public}, so no signature was checked.", sure=False)
    for row in Checkpoint.objects.order_by("size").iterator(CHUNK) if reigns.keys else ():
        if not reigns.hold(row.note):
            yield Finding("checkpoint", f"The checkpoint of size {row.size} is not signed by the key of that size.")


def _behind(copy: Mirrored, last: Checkpoint) -> Iterator[Finding]:
    if last.at - datetime.fromisoformat(copy.at) > MIRROR_LATE:
        said = f"The mirror holds {copy.size} of {last.size} events, and was last written {copy.at[:16]} UTC."
        yield Finding("mirror.behind", said, sure=False)


def _kept(what: str, head: Head, have: int) -> Iterator[Finding]:
    row = Checkpoint.objects.filter(pk=head.size).first()
    if row is None or bytes(row.root) != head.root:
        said = f"this database stands at {have}" if head.size > have else "this database has another tree of that size"
        yield Finding("checkpoint.behind", f"{what} {head.size} events; {said}.")


def _log(purged: AbstractSet[str]) -> Iterator[Finding]:
    """Every leaf in order, and beside it the tiles and the checkpoints that it completes."""
    frontier, tiles, told = Frontier(), Built(), check_runs.Told(purged)
    checkpoints = Checkpoint.objects.order_by("size").iterator(CHUNK)
    due = next(checkpoints, None)
    for row in Leaf.objects.order_by("index").values_list(*check_runs.FIELDS).iterator(CHUNK):
        leaf = check_runs.stored(*row)
        if leaf.index != frontier.size:
            yield Finding("leaf.missing", f"Leaf {frontier.size} is missing.")
            return
        yield from _leaf(leaf, purged)
        yield from told.take(leaf)
        for level, index, hash in frontier.append(leaf.hash):
            if level % 8 == 0:
                yield from tiles.put(level // 8, index, hash)
        while due is not None and due.size <= frontier.size:
            yield from _checkpoint(due, frontier)
            due = next(checkpoints, None)
    while due is not None:
        yield Finding("checkpoint", f"The checkpoint of size {due.size} is beyond the {frontier.size} leaves.")
        due = next(checkpoints, None)
    yield from tiles.rest()
    yield from told.rest()


def _checkpoint(row: Checkpoint, frontier: Frontier) -> Iterator[Finding]:
    try:
        head = head_of(split_note(row.note)[0])
        said = (head.size, head.root)
    except NoteRefused:
        said = (-1, b"")
    if (row.size, bytes(row.root)) != (frontier.size, frontier.root()) or said != (row.size, bytes(row.root)):
        yield Finding("checkpoint", f"The checkpoint of size {row.size} does not fit the leaves.")


class Built:
    """The tiles as the leaves make them; of each level the one that grows is held."""

    def __init__(self) -> None:
        self._grown: dict[int, bytes] = {}
        self._counts: dict[int, int] = {}

    def put(self, level: int, index: int, hash: bytes) -> Iterator[Finding]:
        self._grown[level] = self._grown.get(level, b"") + hash
        self._counts[level] = index + 1
        if len(self._grown[level]) == WIDTH * HASH:
            yield from self._compared(level, index // WIDTH)
            self._grown[level] = b""

    def rest(self) -> Iterator[Finding]:
        """The partial tiles, and whether there are others than those of this log."""
        for level, grown in self._grown.items():
            if grown:
                yield from self._compared(level, self._counts[level] // WIDTH)
        wanted = sum(-(-count // WIDTH) for count in self._counts.values())
        if (have := Tile.objects.count()) > wanted:
            yield Finding("tile", f"There are {have - wanted} tiles more than the log has.")

    def _compared(self, level: int, number: int) -> Iterator[Finding]:
        row = Tile.objects.filter(level=level, number=number).values_list("hashes", flat=True).first()
        if bytes(row or b"") != self._grown[level]:
            what = "is missing" if row is None else "is not what the leaves give"
            yield Finding("tile", f"The tile {number} of level {level} {what}.")


def _cosignatures() -> Iterator[Finding]:
    for row in Cosignature.objects.select_related("checkpoint").order_by("checkpoint_id").iterator(CHUNK):
        if not holds(row, row.checkpoint.note):
            who = row.witness.partition("+")[0]
            yield Finding("cosignature", f"A cosignature of {who} over {row.checkpoint_id} events does not hold.")


def _leaf(leaf: check_runs.Stored, purged: AbstractSet[str]) -> Iterator[Finding]:
    header, body = leaf.header, leaf.body
    if leaf_hash(header) != leaf.hash:
        yield Finding("leaf", f"The header of leaf {leaf.index} was changed.")
    try:
        said = json.loads(header)
        told, id = (said["k"], said["b"], said.get("run"), said.get("n")), said["id"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    if not body and str(leaf.run) in purged:
        pass  # two people agreed
    elif not body:
        yield Finding("body.missing", f"The body of leaf {leaf.index} is missing.")
    elif is_place(body):
        yield Finding("body.cold", f"The body of leaf {leaf.index} is not in cold storage, where it should be.")
    elif told[1] != hashlib.sha256(body).hexdigest():
        yield Finding("body", f"The body of leaf {leaf.index} was changed.")
    if told != (leaf.kind, told[1], str(leaf.run) if leaf.run else None, leaf.n) or id != str(leaf.event):
        yield Finding("columns", f"The columns of leaf {leaf.index} differ from its header.")
