"""What somebody who owns the database could do to evidence and tables, by raw SQL behind every guard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.evidence.cosigning import CosigningKey
from procedures.evidence.events import KINDS
from procedures.evidence.models import Checkpoint, Cosignature, Event, NumberSeries, Tile
from procedures.evidence.notes import LogKey, checkpoint_text
from procedures.evidence.record import record
from procedures.models import Approval, Grant, LeaseRecord, Person, Run, Version
from tests.evidence.conftest import Log
from tests.fixtures.parts import as_owner


@contextmanager
def unguarded() -> Iterator[CursorWrapper]:
    """What somebody does who owns the database: no trigger, no constraint in the way."""
    with as_owner(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            guards = cursor.fetchall()
            for name, _ in guards:
                cursor.execute(f'DROP TRIGGER "{name}"')
            yield cursor
            for _, sql in guards:
                cursor.execute(sql)
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            yield cursor
            cursor.execute("SET session_replication_role = DEFAULT")


def raw(statement: str, *words: Any) -> None:
    with unguarded() as cursor:
        cursor.execute(statement, words)


def copied(row: Model, **changes: Any) -> None:
    """The same row once more, with a new key and what differs."""
    for name, value in {"pk": uuid7(), **changes}.items():
        setattr(row, name, value)
    with unguarded():
        row.save(force_insert=True)


def of(kind: str) -> Event:
    return Event.objects.filter(kind=kind).order_by("id")[0]


def uuid_of(value: Any) -> Any:
    """As the database writes it."""
    return value.hex if connection.vendor == "sqlite" else value


def leaf(log: Log) -> None:
    raw('UPDATE evidence_leaf SET leaf_hash = %s WHERE "index" = 3', b"?" * 32)


def header(log: Log) -> None:
    row = of("run.requested")
    said = json.loads(bytes(row.header)) | {"e": "production"}
    raw("UPDATE evidence_event SET header = %s WHERE id = %s", json.dumps(said).encode(), uuid_of(row.pk))


def gone_leaf(log: Log) -> None:
    raw('DELETE FROM evidence_leaf WHERE "index" = 4')


def tile(log: Log) -> None:
    row = Tile.objects.get(level=0, number=0)
    hashes = bytes(row.hashes)
    raw("UPDATE evidence_tile SET hashes = %s WHERE id = %s", hashes[:32] + b"?" + hashes[33:], row.pk)


def gone_tile(log: Log) -> None:
    raw("DELETE FROM evidence_tile WHERE level = 0")


def body(log: Log) -> None:
    row = of("run.requested")
    raw("UPDATE evidence_event SET body = %s WHERE id = %s", bytes(row.body) + b" ", uuid_of(row.pk))


def gone_body(log: Log) -> None:
    raw("UPDATE evidence_event SET body = %s WHERE id = %s", b"", uuid_of(of("run.queued").pk))


def seal(log: Log) -> None:
    row = of("run.finished")
    said = json.loads(bytes(row.body))
    said["seal"]["n"] += 1
    raw("UPDATE evidence_event SET body = %s WHERE id = %s", json.dumps(said).encode(), uuid_of(row.pk))


def gone_event_of_run(log: Log) -> None:
    row = of("run.queued")
    raw("UPDATE evidence_event SET run = NULL, n = NULL WHERE id = %s", uuid_of(row.pk))


def counter(log: Log) -> None:
    raw("UPDATE evidence_runcounter SET n = n - 1 WHERE run = %s", uuid_of(log.run.pk))


def number(log: Log) -> None:
    row = of("run.requested")
    said = json.loads(bytes(row.header)) | {"no": 3}
    raw("UPDATE evidence_event SET header = %s WHERE id = %s", json.dumps(said).encode(), uuid_of(row.pk))


def series(log: Log) -> None:
    raw("UPDATE evidence_numberseries SET value = value + 1 WHERE name = 'run'")


def statement(log: Log) -> None:
    row = of("task.finished")
    said = json.loads(bytes(row.body))
    del said["dsse"]
    raw("UPDATE evidence_event SET body = %s WHERE id = %s", json.dumps(said).encode(), uuid_of(row.pk))


def output(log: Log) -> None:
    raw("UPDATE procedures_logchunk SET text = text || 'x' WHERE id = (SELECT min(id) FROM procedures_logchunk)")


def output_of_another_stream(log: Log) -> None:
    raw("UPDATE procedures_logchunk SET stream = 'stderr' WHERE id = (SELECT min(id) FROM procedures_logchunk)")


def gone_output(log: Log) -> None:
    raw("DELETE FROM procedures_logchunk")


def gone_seed(log: Log) -> None:
    raw("UPDATE procedures_task SET transcript_seed = NULL")


def another_seed(log: Log) -> None:
    raw("UPDATE procedures_task SET transcript_seed = %s", b"s" * 32)


def run_without_event(log: Log) -> None:
    copied(Run.objects.get(pk=log.run.pk), no=900, state="queued", ended_at=None)


def run_without_end(log: Log) -> None:
    world = log.world
    quinn = Person.objects.get(username="quinn")
    run = uuid_of(world.ask(quinn).pk)
    raw("UPDATE procedures_run SET state = 'succeeded', ended_at = requested_at WHERE id = %s", run)
    log.sequence()


def state(log: Log) -> None:
    raw("UPDATE procedures_run SET state = 'failed' WHERE id = %s", uuid_of(log.run.pk))


def run_without_row(log: Log) -> None:
    """As if somebody deleted the row: the evidence alone knows of it."""
    said = json.loads(bytes(of("run.requested").body))
    facts = {name: said[name] for name in KINDS["run.requested"]} | {"no": 2}
    actor = log.run.requester.subject
    with transaction.atomic():
        NumberSeries.objects.filter(name="run").update(value=2)
        record("run.requested", facts=facts, at=now(), run=uuid7(), actor=actor, header={"no": 2})
    log.sequence()


def version_without_event(log: Log) -> None:
    copied(Version.objects.get(pk=log.run.version_id), number=99, digest="sha256:" + "0" * 64, state="in_review")


def acceptance_without_event(log: Log) -> None:
    author = log.world.person("walt")
    log.world.may(author, "author")
    made = log.world.submit(author, name="disk-cleanup")
    log.sequence()
    raw("UPDATE procedures_version SET state = 'accepted' WHERE id = %s", uuid_of(made.pk))


def lease_without_event(log: Log) -> None:
    lease = {"step": "greet", "attempt": 1, "credential": "x", "provider": "y", "state": "issued"}
    with unguarded():
        LeaseRecord.objects.create(run=log.run, intended_at=now(), **lease)


def lease_without_row(log: Log) -> None:
    lease = dict.fromkeys(KINDS["lease.intent"], "x") | {"lease": str(uuid7())}
    with transaction.atomic():
        record("lease.intent", actor=None, facts=lease, at=now())
    log.sequence()


def approval_without_event(log: Log) -> None:
    said = {"verdict": "approve", "strength": "session", "nonce": "n", "statement": b"", "at": now()}
    who = {"run": log.run, "approver": log.world.mira, "requester": log.run.requester}
    with unguarded():
        Approval.objects.create(**who, **said, plan_digest=log.run.plan_digest, not_after_at=now())


def grant_without_event(log: Log) -> None:
    copied(Grant.objects.order_by("id")[0])


def checkpoint(log: Log) -> None:
    row = Checkpoint.objects.order_by("size")[0]
    raw("UPDATE evidence_checkpoint SET root = %s WHERE size = %s", b"?" * 32, row.size)


def lost(log: Log) -> None:
    raw('DELETE FROM evidence_leaf WHERE "index" = (SELECT max("index") FROM evidence_leaf)')


def published(log: Log, size: int, root: bytes) -> None:
    text = log.sequencer.key.sign(checkpoint_text(log.sequencer.key.name, size, root))
    (settings.OPSPORTAL_PUBLIC_DIR / "witnessed").write_text(text)


def behind_the_witness(log: Log) -> None:
    published(log, 999, b"r" * 32)


def forked_from_the_witness(log: Log) -> None:
    published(log, Checkpoint.objects.order_by("-size")[0].size, b"r" * 32)


def signed_by_another(log: Log) -> None:
    row = Checkpoint.objects.order_by("-size")[0]
    other = LogKey(log.sequencer.key.name, Ed25519PrivateKey.from_private_bytes(b"o" * 32))
    note = other.sign(row.note.partition("\n\n")[0] + "\n")
    raw("UPDATE evidence_checkpoint SET note = %s WHERE size = %s", note, row.size)


def cosignature(log: Log) -> None:
    row = Checkpoint.objects.order_by("-size")[0]
    key = CosigningKey("w.example/w", Ed25519PrivateKey.from_private_bytes(b"w" * 32))
    line = key.cosign("another text\n", 1_700_000_000).text
    Cosignature.objects.create(checkpoint=row, witness=key.verifier.text, line=line, at=now())


def guard(log: Log) -> None:
    with as_owner(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER evidence_leaf_delete")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE evidence_leaf DISABLE TRIGGER opsportal_append_only")


DAMAGE: list[tuple[Callable[[Log], None], set[str]]] = [
    (leaf, {"leaf", "checkpoint", "tile"}),
    (header, {"leaf", "seal"}),
    (gone_leaf, {"leaf.missing", "event.lost"}),
    (lost, {"event.lost", "checkpoint", "tile"}),
    (tile, {"tile"}),
    (gone_tile, {"tile"}),
    (body, {"body"}),
    (gone_body, {"body.missing"}),
    (seal, {"body", "seal"}),
    (gone_event_of_run, {"columns", "run.gap", "seal"}),
    (counter, {"run.counter"}),
    (number, {"leaf", "run.number", "seal"}),
    (series, {"run.number"}),
    (statement, {"body", "runner.sequence"}),
    *((damage, {"output"}) for damage in (output, output_of_another_stream, gone_output, gone_seed, another_seed)),
    (run_without_event, {"live.run"}),
    (run_without_end, {"live.run"}),
    (state, {"live.run"}),
    (run_without_row, {"gone.run"}),
    (version_without_event, {"live.version"}),
    (acceptance_without_event, {"live.version"}),
    (lease_without_event, {"live.lease"}),
    (lease_without_row, {"gone.lease"}),
    (approval_without_event, {"live.approval"}),
    (grant_without_event, {"live.grant"}),
    (checkpoint, {"checkpoint"}),
    (behind_the_witness, {"checkpoint.behind"}),
    (forked_from_the_witness, {"checkpoint.behind"}),
    (signed_by_another, {"checkpoint"}),
    (cosignature, {"cosignature"}),
    (guard, {"trigger"}),
]
