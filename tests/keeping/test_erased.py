"""What was erased stays erased: a backup of before, brought back, tells none of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from opsportal.keeping import backup
from opsportal.keeping.recovering import recover
from opsportal.keeping.restore import restore
from procedures.domain.clock import now
from procedures.evidence import erasures, verify
from procedures.evidence.erasures import ErasuresUnreadable
from procedures.evidence.models import Disclosure, ErasableKey, Event
from procedures.evidence.record import disclosed
from procedures.evidence.verify import Failed
from procedures.models import Person
from procedures.runner.drive import drive
from procedures.services import controls, leavers, run_comments, runs
from procedures.services.redactions import ERASED
from tests.fixtures import parts
from tests.fixtures.parts import as_owner
from tests.keeping.conftest import Kept

CANARY = "canary-4711"
BASIS = {"basis": "GDPR art. 17", "requested_by": "ticket 4711"}


def found(where: bytes) -> bool:
    return CANARY.encode() in where


def rows() -> Iterator[bytes]:
    """Every column of every table, and every value that can be opened."""
    for model in apps.get_models(include_auto_created=True):
        for row in model._base_manager.values_list():
            for value in row:
                yield bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
    for one in Disclosure.objects.all():
        yield disclosed(one) or b""


def told() -> bool:
    return any(map(found, rows()))


@pytest.fixture
def person(kept: Kept) -> Person:
    """Somebody whose name, mail, reason and comment are a canary; a second manager is there."""
    who = kept.world.person(CANARY)
    Person.objects.filter(pk=who.pk).update(name=CANARY, email=f"{CANARY}@example.com")
    kept.world.may(who, "run", "read_output", procedure="hello")
    kept.world.may(kept.world.person("magda", key=True), "manage_access")
    who.refresh_from_db()
    run = _run(kept, who)
    run_comments.comment_run(actor=who, run=run, body=f"I am {CANARY}", at=now())
    kept.sequence()
    return who


def _run(kept: Kept, who: Person) -> Any:
    wish = runs.Wish(procedure="hello", environment="development", reason=f"because {CANARY}")
    run = runs.request_run(actor=who, wish=wish, at=now())
    drive(run.id)
    return run.pk


def erase(kept: Kept, **object: Any) -> None:
    change = kept.world.propose("redaction", {**BASIS, **object})
    magda = Person.objects.get(username="magda")
    signature = kept.world.signed("magda", bytes(change.statement))
    controls.confirm(actor=magda, change=change.id, signature=signature, at=now())
    kept.sequence()


def erased(kept: Kept, who: Person) -> Path:
    """A backup of before, then the person is erased. Gives the backup."""
    leavers.close_person(actor=kept.world.mira, person=who.subject, at=now())
    kept.sequence()
    older = kept.folder / "older.tar"
    backup.make(older, at=now())
    assert told(), "else nothing is shown by not finding it"
    erase(kept, subject=str(who.subject))
    return older


def test_an_erased_person_is_found_in_no_table_pack_or_backup(kept: Kept, person: Person) -> None:
    leavers.close_person(actor=kept.world.mira, person=person.subject, at=now())
    before = kept.pack()
    members = verify.unzip(before)
    assert any(map(found, members.values()))
    assert told()
    erase(kept, subject=str(person.subject))
    assert not [row for row in rows() if found(row)]
    assert not [name for name, data in verify.unzip(kept.pack()).items() if found(data)]
    newer = kept.folder / "newer.tar"
    backup.make(newer, at=now())
    assert not found(newer.read_bytes())


def test_a_backup_of_before_tells_nothing_of_an_erased_person(kept: Kept, person: Person) -> None:
    older, key = erased(kept, person), kept.key.with_suffix(".pub").read_text().strip()
    kept.empty()
    done = restore(older)
    parts.give()
    assert [row["subject"] for row in done.erased] == [str(person.subject)]
    assert not [row for row in rows() if found(row)]
    assert bytes(ErasableKey.objects.get(subject=person.subject).secret) == b""
    assert Person.objects.get(subject=person.subject).name == ERASED
    recover(reason="the disk of the database died", by="root", checkpoints=[])
    with pytest.raises(Failed, match="withholds a value without a redaction event"):
        kept.pack()
    erase(kept, subject=str(person.subject))
    new = kept.key.with_suffix(".pub").read_text().strip()
    assert new != key
    assert len(verify.verify(kept.pack(), new)["erased"]) >= 1


def test_an_erased_value_stays_erased_too(kept: Kept, person: Person) -> None:
    event = Event.objects.get(kind="run.requested", actor=person.subject)
    older = kept.folder / "older.tar"
    backup.make(older, at=now())
    erase(kept, event=str(event.id), paths=["/reason"])
    kept.empty()
    done = restore(older)
    parts.give()
    assert [(row["event"], row["paths"]) for row in done.erased] == [(str(event.id), ["/reason"])]
    assert disclosed(Disclosure.objects.get(event=event, pointer="/reason")) is None
    assert not any(f"because {CANARY}".encode() in row for row in rows())


def test_without_the_list_the_backup_tells_it_and_a_copy_of_the_list_helps(kept: Kept, person: Person) -> None:
    """What the promise rests on: the list, which lies beside the log's public key. It says no value."""
    older = erased(kept, person)
    there = Path(kept.key.parent.parent / "public" / erasures.NAME)
    copy = kept.folder / "copy-of-the-list"
    assert not found(there.read_bytes())
    there.rename(copy)
    kept.empty()
    assert not restore(older).erased
    assert told()
    kept.empty()
    restore(older, erased=[copy])
    assert not told()


def test_a_list_that_somebody_else_wrote_erases_nothing(kept: Kept, person: Person) -> None:
    """Whoever can write the file would have evidence erased by a restore: it is the log's own word or none."""
    older = erased(kept, person)
    there = Path(kept.key.parent.parent / "public" / erasures.NAME)
    mira = str(kept.world.mira.subject)
    there.write_text(there.read_text().replace(str(person.subject), mira))
    kept.empty()
    with pytest.raises(ErasuresUnreadable):
        restore(older)
    assert connection.introspection.table_names() == []


def test_a_hold_of_then_does_not_bring_back_what_was_erased_after_it_ended(kept: Kept, person: Person) -> None:
    hold = kept.world.propose("legal_hold", {**BASIS, "subject": str(person.subject)})
    leavers.close_person(actor=kept.world.mira, person=person.subject, at=now())
    kept.sequence()
    older = kept.folder / "older.tar"
    backup.make(older, at=now())
    ended = kept.world.propose("legal_hold_end", {"hold": str(hold.pk), "reason": "over"})
    magda = Person.objects.get(username="magda")
    signature = kept.world.signed("magda", bytes(ended.statement))
    controls.confirm(actor=magda, change=ended.id, signature=signature, at=now())
    erase(kept, subject=str(person.subject))
    kept.empty()
    restore(older)
    parts.give()
    assert not told()
    with as_owner(), pytest.raises(Exception, match="cannot be"):
        connection.cursor().execute("DELETE FROM procedures_legalhold")
