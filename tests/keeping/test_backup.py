"""A backup comes back whole or not at all, and never as a second history of one log."""

from __future__ import annotations

import json
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from opsportal.keeping import backup, dumping
from opsportal.keeping.recovering import recover
from opsportal.keeping.restore import EvidenceBroken, WillNotRestore, restore
from opsportal.roles import giving
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import verify
from procedures.evidence.check import check
from procedures.evidence.known import CheckpointUnreadable
from procedures.evidence.models import Checkpoint, Event, Leaf
from procedures.evidence.recovery import NothingToRecover
from procedures.evidence.sequence import LogWentBack
from procedures.models import Run
from tests.fixtures import parts
from tests.keeping.conftest import Kept


def test_the_newest_backup_goes_on_as_if_nothing_had_been(kept: Kept) -> None:
    kept.run()
    file = kept.folder / "newest.tar"
    manifest = backup.make(file, at=now())
    size = manifest["checkpoint"]["size"]
    assert manifest["counts"]["runs"] == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept.empty()

    done = restore(file)
    parts.give()
    assert (done.size, done.behind, done.pending) == (size, [], 0)
    assert [one.size for one in done.agreed] == [size], "the sequencer's public note was held against it"
    kept.run()
    found = verify.verify(kept.pack(), (kept.key.with_suffix(".pub")).read_text().strip())
    assert (found["verdict"], found["runs"], found["recovered"]) == ("SIGNED", 2, [])


def test_an_older_backup_is_told_and_refused_until_a_new_log_names_the_old_one(kept: Kept) -> None:
    kept.run()
    older = kept.folder / "older.tar"
    had = backup.make(older, at=now())["checkpoint"]["size"]
    kept.run()
    former = kept.key.with_suffix(".pub").read_text().strip()
    published = Checkpoint.objects.order_by("-size").first()
    assert published is not None
    before = kept.folder / "before.zip"
    before.write_bytes(kept.pack())
    with zipfile.ZipFile(before) as pack:
        newest = int(pack.read("log/checkpoint.end").split(b"\n")[1])
    kept.empty()

    done = restore(older, checkpoints=[before])
    parts.give()
    assert done.size == had
    assert {one.size for one in done.behind} >= {newest}
    for _ in range(2):
        with pytest.raises(LogWentBack, match=f"this database stands at {had}"):
            kept.sequence()
    assert Leaf.objects.count() == had, "nothing was appended"

    with pytest.raises(InvalidInput, match="/reason"):
        recover(reason=" ", by="root", checkpoints=[])
    opened = recover(reason="the disk of the database died", by="root", checkpoints=[before])
    assert (opened.former, opened.size) == (former, had)
    assert opened.lost is not None
    assert opened.lost >= newest - had
    kept.run()
    with pytest.raises(NothingToRecover):
        recover(reason="again", by="root", checkpoints=[])
    assert check() == []

    first = Leaf.objects.select_related("event").get(index=had).event
    said = json.loads(bytes(first.body))
    assert first.kind == "log.recovered", "the new log's first event"
    assert (said["former"], said["reason"]) == (former, "the disk of the database died")
    key = kept.key.with_suffix(".pub").read_text().strip()
    assert key.split("+")[0] == former.split("+")[0] + "/2"
    assert kept.key.with_name("evidence.former-1").exists(), "the old key stays, and signs no more"
    found = verify.verify(kept.pack(), key)
    assert (found["verdict"], found["runs"]) == ("SIGNED", 2)
    assert [(row["index"], row["lost"]) for row in found["recovered"]] == [(had, opened.lost)]
    assert f"went back to {had} events; {opened.lost} published events are not in it." in verify.told(found)
    assert verify.verify(before.read_bytes(), former)["verdict"] == "SIGNED", "packs of before stay good"


@pytest.mark.ordinary
def test_a_recovery_that_was_cut_short_is_finished_by_the_next_one(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.run()
    older = kept.folder / "older.tar"
    backup.make(older, at=now())
    kept.run()
    kept.empty()
    restore(older)
    parts.give()
    steps = {"rename": Path.rename, "replace": Path.replace}
    for cut in range(8):

        def dies(name: str, at: int) -> None:
            left = [at]

            def step(self: Path, target: Path) -> Path:
                left[0] -= 1
                if left[0] < 0:
                    raise OSError("the power went")
                return steps[name](self, target)

            monkeypatch.setattr(Path, name, step)

        for name in steps:
            dies(name, cut)
        try:
            recover(reason="a cut", by="root", checkpoints=[])
        except OSError:
            with monkeypatch.context() as whole:
                for name, real in steps.items():
                    whole.setattr(Path, name, real)
                with pytest.raises(LogWentBack):
                    kept.sequence()
            continue
        break
    else:
        pytest.fail("no recovery came to its end")
    for name, real in steps.items():
        monkeypatch.setattr(Path, name, real)
    assert cut >= 2
    kept.run()
    assert Event.objects.filter(kind="log.recovered").count() == 1
    assert check() == []


@pytest.mark.ordinary
def test_with_the_key_lost_nothing_goes_on_in_silence(kept: Kept) -> None:
    kept.run()
    for file in kept.key.parent.iterdir():
        file.unlink()
    with pytest.raises(LogWentBack, match="the key that signed it is not here"):
        kept.sequence()
    opened = recover(reason="the sequencer's disk died", by="root", checkpoints=[])
    assert opened.lost == 0, "the public note told how far the log went"
    kept.run()
    assert verify.verify(kept.pack(), opened.verifier)["verdict"] == "SIGNED"


@pytest.mark.ordinary
def test_a_log_that_another_key_went_on_with_is_refused(kept: Kept) -> None:
    kept.run()
    mine = {file: file.read_bytes() for file in kept.key.parent.iterdir()}
    for file in mine:
        file.unlink()
    recover(reason="somebody else", by="root", checkpoints=[])
    kept.run()
    for file in list(kept.key.parent.iterdir()):
        file.unlink()
    for file, data in mine.items():
        file.write_bytes(data)
    with pytest.raises(LogWentBack, match="is not signed by the key that is here"):
        kept.sequence()


@pytest.mark.ordinary
def test_a_backup_that_was_changed_or_does_not_fit_is_refused_before_anything_is_written(kept: Kept) -> None:
    kept.run()
    file = kept.folder / "a.tar"
    backup.make(file, at=now())
    with pytest.raises(backup.BackupExists):
        backup.make(file, at=now())
    with pytest.raises(WillNotRestore, match="not empty"):
        restore(file)
    assert Run.objects.count() == 1
    for wrong, why in ((b"", "not a backup"), (file.read_bytes()[:-40_000], "not a backup|differs")):
        broken = kept.folder / "broken.tar"
        broken.write_bytes(wrong)
        with pytest.raises(backup.BackupBroken, match=why):
            restore(broken)
    for change, why in (
        ({"database": "oracle"}, "backup is of oracle"),
        ({"format": 2}, "has format 2"),
        ({"migrations": ["procedures.9999_later"]}, "newer software"),
    ):
        with pytest.raises((WillNotRestore, backup.BackupBroken), match=why):
            restore(_retold(file, **change))
    other = kept.folder / "note"
    other.write_text("not a note")
    kept.empty()
    with pytest.raises(CheckpointUnreadable):
        restore(file, checkpoints=[other])
    assert dumping.is_empty()
    with pytest.raises(EvidenceBroken, match="not the one that the manifest quotes"):
        restore(_retold(file, checkpoint=None))


def test_a_restored_event_vouches_for_no_later_change(kept: Kept) -> None:
    """A cluster counts its transactions from anew: an old event must not pass for the evidence of a new change."""
    kept.run()
    file = kept.folder / "a.tar"
    backup.make(file, at=now())
    kept.empty()
    restore(file)
    if connection.vendor == "sqlite":
        assert not Event.objects.filter(xid__isnull=False).exists()
        return
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.filter(kind="run.requested").update(xid=1)
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SELECT count(*) FROM evidence_event WHERE xid IS NOT NULL")
        assert cursor.fetchone()[0] == 0


@pytest.mark.postgresql
def test_what_names_roles_of_a_server_is_left_out_and_given_again(kept: Kept) -> None:
    """Another server has none of them, and a restore that stops at the first policy would bring nothing back."""
    kept.run()
    file = kept.folder / "a.tar"
    backup.make(file, at=now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_policy")
        assert cursor.fetchone()[0] > 50, "the database that was dumped had them"
    kept.empty()
    restore(file)
    with connection.cursor() as cursor:
        for question in ("SELECT count(*) FROM pg_policy", "SELECT count(*) FROM pg_class WHERE relrowsecurity"):
            cursor.execute(question)
            assert cursor.fetchone()[0] == 0, question
    assert giving.give().done > 50
    assert giving.give().done == 0


@pytest.mark.ordinary
def test_no_private_key_and_no_setting_is_in_a_backup(kept: Kept) -> None:
    kept.run()
    file = kept.folder / "a.tar"
    backup.make(file, at=now())
    held = file.read_bytes()
    private = [kept.key, *(p for p in Path(os.environ["OPSPORTAL_DATA_DIR"]).joinpath("keys").iterdir())]
    for path in private:
        if path.suffix not in {".pub", ".published"}:
            assert path.read_bytes() not in held, path.name
    with tarfile.open(file) as tar:
        assert sorted(tar.getnames()) == sorted(["manifest.json", dumping.member(), "evidence.pub"])
        assert tar.extractfile("evidence.pub").read() == kept.key.with_suffix(".pub").read_bytes()  # type: ignore[union-attr]


def _retold(file: Path, **changes: object) -> Path:
    """The backup with another manifest."""
    folder = file.with_suffix(".open")
    folder.mkdir(exist_ok=True)
    manifest = backup.read(file, folder)
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    told = file.with_suffix(".retold.tar")
    with tarfile.open(told, "w") as tar:
        for part in folder.iterdir():
            tar.add(part, arcname=part.name)
    for part in folder.iterdir():
        part.unlink()
    return told
