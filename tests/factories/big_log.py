"""A program of its own, so that its memory can be measured: writes a log of many runs into a database, or a pack of it.

    python -m tests.factories.big_log make RUNS | export PACK | cool -

Where: OPSPORTAL_DATA_DIR and DATABASE_URL. What it used comes last, as JSON.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 (after the set-up)
from django.db import connection, transaction  # noqa: E402

from procedures.domain.clock import now  # noqa: E402
from procedures.evidence import cooling, export, known  # noqa: E402
from procedures.evidence.models import Checkpoint, Event, Leaf  # noqa: E402
from procedures.evidence.notes import LogKey, checkpoint_text  # noqa: E402
from procedures.evidence.sequence import Sequencer, Tiles  # noqa: E402
from procedures.evidence.tree import Frontier, leaf_hash  # noqa: E402
from tests.factories.histories import History, Written, key  # noqa: E402

AT_ONCE = 5000
LOG = LogKey("big.example/evidence/log", key("big"))


def memory() -> Path:
    return Path(os.environ["OPSPORTAL_DATA_DIR"], "published")


class InTables(History):
    """A history that lies in this portal's tables."""

    def __init__(self) -> None:
        super().__init__()
        self.edge, self.waiting = Frontier(), list[Written]()

    def keep(self, one: Written) -> None:
        self.waiting.append(one)
        if len(self.waiting) >= AT_ONCE:
            self.store()

    def store(self) -> None:
        """Write what waits: events, leaves and tiles, as the sequencer would."""
        events, leaves, tiles = [], [], Tiles()
        for one in self.waiting:
            said, hash = json.loads(one.header), leaf_hash(one.header)
            at = datetime.fromisoformat(said["at"])
            names = {"kind": said["k"], "run": said.get("run"), "n": said.get("n"), "procedure": said.get("p")}
            event = Event(id=UUID(said["id"]), at=at, header=one.header, body=one.body, **names)
            events.append(event)
            leaves.append(Leaf(index=self.edge.size, event=event, leaf_hash=hash))
            for level, index, full in self.edge.append(hash):
                if level % 8 == 0:
                    tiles.put(level // 8, index, full)
        with transaction.atomic():
            Event.objects.bulk_create(events)
            Leaf.objects.bulk_create(leaves)
            tiles.store()
        self.waiting = []


def make(runs: int) -> None:
    """Half of the runs are denied, half are carried out; every statement of a runner and every approval is signed."""
    call_command("migrate", verbosity=0)
    made = InTables()
    made.found()
    for number in range(runs):
        run = made.ask("production" if number % 50 == 0 else "development")
        if number % 2:
            made.event(
                "run.denied", {"digest": run.digest, "message": "no"}, run=run, header={"o": "denied", "risk": "low"}
            )
            continue
        if number % 50 == 0:
            made.approve(run)
        made.claim(run)
        made.finish(run)
    made.store()
    note = LOG.sign(checkpoint_text(LOG.name, made.edge.size, made.edge.root()))
    Checkpoint.objects.create(size=made.edge.size, root=made.edge.root(), note=note, at=now())
    known.remember(memory(), made.edge.size, made.edge.root())


def pack(path: Path) -> None:
    """A pack of all of it, with the sequencer beside it."""
    sequencer, proof = Sequencer(LOG, memory()), export._proof

    def stepped(event: Event) -> bytes:
        sequencer.step(now())
        return proof(event)

    export._proof = stepped
    with path.open("wb") as file:
        export.export_pack(file, wanted={}, exporter=UUID(int=7), log_key=LOG.verifier, at=now(), separation="none")


def cool(_: str) -> None:
    """Every run lies in cold storage; what that made of the table of events goes before the last line."""
    before = table()
    runs = Event.objects.filter(run__isnull=False).order_by().values_list("run", flat=True).distinct()
    began, count = time.monotonic(), 0
    for run in list(runs):
        count += cooling.cool(run) > 0
    each = round(count / (time.monotonic() - began))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM" if connection.vendor == "sqlite" else "VACUUM FULL evidence_event")
    told = {"runs_a_second": each, "events_mb_before": before, "events_mb": table(), "cold_mb": table("coldbundle")}
    sys.stdout.write(json.dumps(told) + "\n")


def table(name: str = "event") -> float:
    """How much a table of evidence takes without its indexes, values that lie apart included."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sum(pgsize) FROM dbstat WHERE name = %s", [f"evidence_{name}"])
        else:
            cursor.execute(f"SELECT pg_table_size('evidence_{name}')")
        return round(cursor.fetchone()[0] / 1e6, 1)


VERBS: dict[str, Callable[[str], None]] = {
    "make": lambda runs: make(int(runs)),
    "export": lambda path: pack(Path(path)),
    "cool": cool,
}


def peak_mb() -> float:
    """Of this program alone: `ru_maxrss` begins with what the process held that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return round(int(found[1]) / 1024, 1)


if __name__ == "__main__":
    begun = time.monotonic()
    VERBS[sys.argv[1]](sys.argv[2])
    told = {"peak_mb": peak_mb(), "took_s": round(time.monotonic() - begun, 1)}
    sys.stdout.write(json.dumps(told) + "\n")
