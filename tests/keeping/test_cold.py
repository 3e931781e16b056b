"""Cold storage through a backup, and through a purge that comes between the two halves of a move."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, connections, transaction

from opsportal.keeping import backup
from opsportal.keeping.restore import restore
from procedures.domain.clock import now
from procedures.evidence import check, cold, cooling, erase, verify
from procedures.evidence.models import ColdBundle, Event
from procedures.models import Purge, Run
from procedures.runner.erasing import Erasing
from procedures.services import cold as service
from procedures.services import purges
from tests.fixtures import databases, parts
from tests.keeping.conftest import Kept
from tests.keeping.test_erased import erase as agree
from tests.keeping.test_purged import old

__all__ = ["old"]


def bodies(run: Run) -> list[bytes]:
    return [bytes(row) for row in Event.objects.filter(run=run.pk).order_by("n").values_list("body", flat=True)]


def test_a_backup_holds_cold_storage_and_brings_it_back(kept: Kept, old: Run) -> None:
    before = bodies(old)
    assert service.sweep(at=now() + timedelta(days=91)) == 1
    assert bodies(old) == before
    kept.sequence()
    file = kept.folder / "cold.tar"
    backup.make(file, at=now())
    kept.empty()
    restore(file)
    parts.give()
    cold._bundle.cache_clear()
    assert bodies(old) == before
    assert all(map(cold.is_place, Event.objects.filter(run=old.pk).values_list(cooling.STORED, flat=True)))
    assert check.check() == []
    key = kept.key.with_suffix(".pub").read_text().strip()
    assert verify.verify(kept.pack(), key)["runs"] == 1


def test_a_cold_run_that_was_purged_after_the_backup_stays_gone(kept: Kept, old: Run) -> None:
    assert service.sweep(at=now() + timedelta(days=91)) == 1
    file = kept.folder / "older.tar"
    backup.make(file, at=now())
    agree(kept, **purges.due("", now()))
    assert Erasing().round(at=now())["purged"] == 1
    kept.empty()
    restore(file)
    parts.give()
    assert set(bodies(old)) == {b""}
    assert not ColdBundle.objects.exists()


@pytest.mark.postgresql
def test_it_may_lie_on_a_disk_of_its_own_which_another_server_has_not(kept: Kept, old: Run) -> None:
    slow = f"slow_{uuid4().hex[:8]}"
    with connection.cursor() as cursor:
        cursor.execute("SET allow_in_place_tablespaces = on")
        cursor.execute(f"CREATE TABLESPACE {slow} LOCATION ''")
        cursor.execute(f"ALTER TABLE evidence_coldbundle SET TABLESPACE {slow}")
    try:
        assert service.sweep(at=now() + timedelta(days=91)) == 1
        before, file = bodies(old), kept.folder / "slow.tar"
        backup.make(file, at=now())
    finally:
        kept.empty()
        databases._administer(f"DROP TABLESPACE {slow}")
    restore(file)
    parts.give()
    cold._bundle.cache_clear()
    assert bodies(old) == before


def agreed_on(kept: Kept, run: Run) -> None:
    agree(kept, **purges.due("", now()))
    assert Purge.objects.filter(run=run, done_at=None).exists()


def halted(monkeypatch: pytest.MonkeyPatch, where: str, other: Callable[[], None]) -> threading.Thread:
    """Another connection acts once this move wrote its bundle (or read what it would move), and waits where it must."""
    real, began = getattr(cooling, where), threading.Event()

    def there() -> None:
        began.set()
        try:
            other()
        finally:
            connections.close_all()

    thread = threading.Thread(target=there)

    def halting(*args: object) -> object:
        found = real(*args)
        if not began.is_set():
            thread.start()
            began.wait(10)
            thread.join(1.0)
        return found

    monkeypatch.setattr(cooling, where, halting)
    return thread


@pytest.mark.postgresql
def test_a_purge_in_the_middle_of_a_move_leaves_nothing_of_it(
    kept: Kept, old: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed_on(kept, old)
    thread = halted(monkeypatch, "_move", lambda: _purged(old))
    with transaction.atomic():  # the move stands written and not committed, until the purge waits for it
        cooling.cool(old.pk)
    thread.join(20)
    assert not thread.is_alive()
    assert set(bodies(old)) == {b""}
    assert not ColdBundle.objects.exists()


def test_a_purge_before_the_move_is_not_undone_by_what_was_read_of_it(
    kept: Kept, old: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed_on(kept, old)
    thread = halted(monkeypatch, "_next", lambda: _purged(old))
    with pytest.raises(DatabaseError, match="append-only"):
        cooling.cool(old.pk)
    thread.join(20)
    assert set(bodies(old)) == {b""}
    assert not ColdBundle.objects.exists()
    assert service.sweep(at=now() + timedelta(days=91)) == 0


def _purged(run: Run) -> None:
    with transaction.atomic():
        erase.erase_run(run.pk, at=now())
