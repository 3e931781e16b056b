"""What somebody with SQL could do to cold storage: move a body to where it is not, take it away, lend it to another."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from procedures.answers.fsck import findings
from procedures.domain.clock import now
from procedures.evidence import check, cold, verify
from procedures.evidence.cooling import STORED
from procedures.evidence.models import ColdBundle, Event
from procedures.evidence.triggers_cold import NO_PLACE
from procedures.models import Run
from tests.evidence.conftest import Log
from tests.evidence.test_cold import cooled, read, signed_in, stored
from tests.evidence.test_purges import confirmed, object_of, old
from tests.factories.damage import raw, unguarded
from tests.fixtures.parts import as_owner

__all__ = ["old"]
APPEND_ONLY = "append-only"


def first(run: Run) -> Event:
    return Event.objects.get(run=run.pk, n=1)


def write(event: Event, stored: bytes, **more: object) -> None:
    """An UPDATE, guards and all."""
    with as_owner(), transaction.atomic():
        Event.objects.filter(pk=event.pk).update(body=stored, **more)


def bundle(run: UUID, data: bytes) -> UUID:
    with as_owner():
        return ColdBundle.objects.create(run=run, data=data).pk


def test_a_body_gives_way_to_nothing_but_the_place_of_its_own_bytes(log: Log) -> None:
    event = first(log.run)
    body = bytes(event.body)
    held = bundle(log.run.pk, b"-" + body + body[:-1] + b"?")
    others = bundle(uuid4(), body)
    chained = bundle(log.run.pk, cold.place(held, 1, len(body)))
    place = cold.place(held, 1, len(body))
    for wrong in (
        b"",
        b"[",
        b"{}",
        b'["cold/1",',
        cold.place(held, 0, len(body)),
        cold.place(held, 1, len(body) - 1),
        cold.place(held, 1, len(body) + 1),
        cold.place(held, 1 + len(body), len(body)),
        cold.place(held, 10**9, len(body)),
        cold.place(others, 0, len(body)),
        cold.place(uuid4(), 1, len(body)),
        cold.place(chained, 0, 5),
        place + b" ",
        place.replace(b"cold/1", b"cold/2"),
        place.replace(b",", b", "),
    ):
        with pytest.raises(DatabaseError):
            write(event, wrong)
    with pytest.raises(DatabaseError, match=APPEND_ONLY):
        write(event, place, header=b"{}")
    write(event, place)
    assert stored(log.run)[0] == place
    assert bytes(first(log.run).body) == body
    for again in (place, cold.place(chained, 0, len(place)), body, b""):
        with pytest.raises(DatabaseError, match=APPEND_ONLY):
            write(event, again)


def test_no_event_begins_as_a_place_so_none_reads_what_another_run_said(log: Log) -> None:
    cooled(log)
    lent = stored(log.run)[0]
    row = Event(kind="run.queued", run=uuid4(), n=1, at=now(), header=b"{}", body=lent)
    with pytest.raises(DatabaseError, match=NO_PLACE), as_owner(), transaction.atomic():
        row.save(force_insert=True)


def _changed(pk: UUID) -> None:
    ColdBundle.objects.filter(pk=pk).update(data=b"x")


def _gone(pk: UUID) -> None:
    ColdBundle.objects.filter(pk=pk).delete()


def _lent(pk: UUID) -> None:
    ColdBundle.objects.filter(pk=pk).update(run=uuid4())


def _emptied(_: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM evidence_coldbundle" if connection.vendor == "sqlite" else "TRUNCATE evidence_coldbundle"
        )


@pytest.mark.parametrize("act", [_changed, _gone, _lent, _emptied])
def test_a_bundle_is_neither_changed_nor_taken_away(log: Log, act: Callable[[UUID], None]) -> None:
    cooled(log)
    before = read(log.run)
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(DatabaseError, match=APPEND_ONLY), as_owner(), transaction.atomic():
        act(ColdBundle.objects.get().pk)
    assert read(log.run) == before


def test_a_purge_that_was_agreed_on_lets_no_bundle_go_before_its_bodies(old: Log) -> None:
    cooled(old)
    confirmed(old, old.world.propose("redaction", object_of(old.run)))
    with pytest.raises(DatabaseError, match=APPEND_ONLY), as_owner(), transaction.atomic():
        ColdBundle.objects.filter(run=old.run.pk).delete()
    assert all(read(old.run))


def kinds() -> set[str]:
    return {one.kind for one in findings(now()) if one.kind != "key.unknown"}


def test_who_owns_the_database_and_takes_a_bundle_is_told_by_name(log: Log) -> None:
    cooled(log)
    with unguarded():
        ColdBundle.objects.all().delete()
    cold._bundle.cache_clear()  # as another process would read it
    with pytest.raises(cold.ColdMissing, match="is not there"):
        read(log.run)
    assert "body.cold" in kinds()
    assert "body" not in kinds()
    assert any("is not in cold storage, where it should be" in one.text for one in findings(now()))
    with pytest.raises(cold.ColdMissing):
        log.pack()
    answer = signed_in(log).get(f"/api/v1/runs/{log.run.pk}/events/")
    assert answer.status_code >= 500
    assert answer.json()["type"].endswith("evidence.cold-missing")
    assert "opsportal evidence check" in json.dumps(answer.json())


def test_who_owns_the_database_and_alters_a_bundle_is_told_by_check_and_pack(log: Log) -> None:
    cooled(log)
    row = ColdBundle.objects.get()
    raw("UPDATE evidence_coldbundle SET data = %s", bytes(row.data).replace(b"hello", b"jello"))
    cold._bundle.cache_clear()
    assert "body" in kinds()
    with pytest.raises(verify.Failed):
        verify.verify(log.pack(careless=True), log.key)


def test_what_lies_in_cold_storage_for_no_event_is_found(old: Log) -> None:
    cooled(old)
    bundle(old.run.pk, b"what somebody kept back from a purge")
    assert kinds() == {"cold.left"}
    assert [text for text in check.check() if str(old.run.pk) in text]
    assert Event.objects.filter(run=old.run.pk).values_list(STORED, flat=True)
