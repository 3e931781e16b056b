"""What was purged stays gone: a backup of before, brought back, tells none of it; two people say so anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from opsportal.keeping import backup
from opsportal.keeping.recovering import recover
from opsportal.keeping.restore import restore
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.evidence import check, verify
from procedures.evidence import erase as erase_module
from procedures.evidence.models import Event
from procedures.evidence.verify import Failed
from procedures.models import LogChunk, Person, Purge, Run
from procedures.queries import retention
from procedures.runner.erasing import Erasing
from procedures.services import controls, purges
from tests.evidence.test_asserted import written
from tests.fixtures import parts
from tests.fixtures.later import move
from tests.keeping.conftest import Kept
from tests.keeping.test_erased import BASIS, erase


@pytest.fixture
def old(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that tells a canary, and whose thirty days are over."""
    return aged(kept, monkeypatch, 1)[0]


def aged(kept: Kept, monkeypatch: pytest.MonkeyPatch, count: int) -> list[Run]:
    magda = kept.world.person("magda", key=True)
    kept.world.may(magda, "manage_access", expires_at=moment(now() + timedelta(days=60)))
    agreed(kept, "retention", {"days": 30})
    for _ in range(count):
        kept.run()
    assert LogChunk.objects.exists()
    move(monkeypatch, 31)
    return list(Run.objects.order_by("no"))


def agreed(kept: Kept, control: str, object: dict[str, int]) -> None:
    change = kept.world.propose(control, object)
    signed = kept.world.signed("magda", bytes(change.statement))
    controls.confirm(actor=Person.objects.get(username="magda"), change=change.id, signature=signed, at=now())
    kept.sequence()


def test_a_backup_of_before_tells_nothing_of_a_purged_run(kept: Kept, old: Run) -> None:
    older = kept.folder / "older.tar"
    backup.make(older, at=now())
    said = purges.due("", now())
    assert said["runs"] == [str(old.pk)]
    erase(kept, **said)
    assert Erasing().round(at=now())["purged"] == 1
    assert verify.verify(kept.pack(), kept.key.with_suffix(".pub").read_text().strip())["purged"][0]["runs"] == 1
    kept.empty()
    done = restore(older)
    parts.give()
    assert [row["runs"] for row in done.erased] == [[str(old.pk)]]
    assert Event.objects.filter(run=old.pk).exclude(body=b"").count() == 0
    assert not LogChunk.objects.filter(run=old.pk).exists()
    assert Purge.objects.get().done_at is not None
    recover(reason="the disk of the database died", by="root", checkpoints=[])
    with pytest.raises(Failed, match="withheld without a redaction event"):
        kept.pack()
    assert any("is missing" in told for told in check.check())
    erase(kept, **purges.due("", now()))
    found = verify.verify(kept.pack(), kept.key.with_suffix(".pub").read_text().strip())
    assert [row["runs"] for row in found["purged"]] == [1]
    assert check.check() == []


def forged(run: Run) -> None:
    """What a process that was taken over writes: the event and the row of an agreement that nobody signed."""
    object = {**BASIS, "runs": [str(run.pk)], "behind": sorted(retention.behind([run.pk]))}
    with transaction.atomic():
        Purge.objects.create(run=run, change=written("redaction", object), agreed_at=now() + timedelta(days=9_999))


def test_what_nobody_signed_stands_in_no_list_and_a_restore_erases_nothing_of_it(kept: Kept, old: Run) -> None:
    older, subject = kept.folder / "older.tar", str(old.requester.subject)
    forged(old)
    written("redaction", {**BASIS, "subject": subject})
    kept.sequence()
    backup.make(older, at=now())
    kept.empty()
    assert list(restore(older).erased) == []
    parts.give()
    assert not Event.objects.filter(run=old.pk, body=b"").exists()
    assert erase_module.key_stands(old.requester.subject)


def test_a_restore_erases_what_its_list_names_and_no_other_run_that_waits(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup holds a row that the sweeper refused; another run was purged after it."""
    old, other = aged(kept, monkeypatch, 2)
    forged(other)
    assert Erasing().round(at=now())["purged"] == 0
    older = kept.folder / "older.tar"
    kept.sequence()
    backup.make(older, at=now())
    erase(kept, runs=[str(old.pk)], behind=sorted(retention.behind([old.pk])))
    kept.empty()
    assert [row["runs"] for row in restore(older).erased] == [[str(old.pk)]]
    parts.give()
    assert Event.objects.filter(run=old.pk).exclude(body=b"").count() == 0
    assert not Event.objects.filter(run=other.pk, body=b"").exists()
    assert Purge.objects.get(run=other.pk).done_at is None
