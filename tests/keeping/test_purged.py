"""What was purged stays gone: a backup of before, brought back, tells none of it; two people say so anew."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsportal.keeping import backup
from opsportal.keeping.recovering import recover
from opsportal.keeping.restore import restore
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.evidence import check, verify
from procedures.evidence.models import Event
from procedures.evidence.verify import Failed
from procedures.models import LogChunk, Person, Purge, Run
from procedures.services import controls, purges
from tests.fixtures import parts
from tests.fixtures.later import move
from tests.keeping.conftest import Kept
from tests.keeping.test_erased import erase


@pytest.fixture
def old(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that tells a canary, and whose thirty days are over."""
    magda = kept.world.person("magda", key=True)
    kept.world.may(magda, "manage_access", expires_at=moment(now() + timedelta(days=60)))
    agreed(kept, "retention", {"days": 30})
    kept.run()
    run = Run.objects.get()
    assert LogChunk.objects.filter(run=run).exists()
    move(monkeypatch, 31)
    return run


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
    assert purges.sweep(at=now()) == 1
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
