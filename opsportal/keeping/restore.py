"""A restore that proves what it restored: every leaf recomputed, and no fork of what is known to have been published.

It brings back the database alone. Whether the log goes on is decided beside its key, by the sequencer, which remembers
what it published; a restore says beforehand what the sequencer will say.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from opsportal.keeping import backup, dumping, erasing
from opsportal.keeping.ending import Ended, end_what_opens
from procedures.answers.differing import Drift
from procedures.answers.drift import drift
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.evidence import erasures, known, triggers
from procedures.evidence.check import check
from procedures.evidence.known import CheckpointUnreadable, Known
from procedures.evidence.models import Checkpoint, Leaf
from procedures.evidence.sequence import range_root

IN_A_PACK = "log/checkpoint.end"


class WillNotRestore(OpsError):
    """A restore that was refused before anything was written."""

    code = "restore.refused"
    next_step = "Give an empty database, and the software that made the backup or a newer one."


class EvidenceBroken(OpsError):
    """What was restored does not hold together, or is another history than the one that was published."""

    code = "restore.evidence-broken"
    next_step = "Keep this database for whoever investigates, start no process on it, and restore another backup."


@dataclass(frozen=True, slots=True)
class Restored:
    """`size` of the log now; `behind` are checkpoints that were published and that this log does not reach; `agreed`
    those that it holds; `pending` migrations of the newer software. `differs` is where tables and evidence differ, and
    None where migrations wait, since only tables that are up to date can be held against it. `erased` are redactions
    that this log does not hold and that were carried out once more.
    """

    manifest: dict[str, Any]
    size: int
    behind: Sequence[Known]
    agreed: Sequence[Known]
    pending: int
    ended: Ended
    differs: Sequence[Drift] | None
    erased: Sequence[Mapping[str, Any]] = ()


def restore(archive: Path, *, checkpoints: Sequence[Path] = (), erased: Sequence[Path] = ()) -> Restored:
    """Bring a backup back into an empty database and prove its evidence.

    `checkpoints` are notes or packs that somebody kept, `erased` lists of what was erased since; the sequencer's own
    public files are looked at by themselves.
    Raises BackupBroken, WillNotRestore, DumpFailed, EvidenceBroken, CheckpointUnreadable, ErasuresUnreadable.
    """
    with tempfile.TemporaryDirectory(prefix="opsportal-restore-") as name:
        folder = Path(name)
        manifest = backup.read(archive, folder)
        verifiers = [file.read_text().strip() for file in sorted(folder.glob("evidence*.pub"))]
        noted = kept_notes(checkpoints, verifiers)
        gone = _erased(erased, verifiers)
        _require_fit(manifest)
        dumping.load(folder / dumping.member())
    if connection.vendor == "postgresql":
        triggers.forget_transactions(connection)
    again = erasing.erase_again(gone)
    last = Checkpoint.objects.order_by("-size").first()
    ended = end_what_opens(now())
    purged = {str(run) for row in again for run in row.get("runs", ())}
    problems = [*check(purged), *_differs(manifest, last)]
    size = last.size if last else 0
    problems += [
        f"{one.source} says another history: the roots at {one.size} events differ."
        for one in noted
        if 0 < one.size <= size and range_root(0, one.size) != one.root
    ]
    if problems:
        raise EvidenceBroken("The restored evidence does not hold. " + " ".join(problems))
    behind = [one for one in noted if one.size > size]
    agreed = [one for one in noted if one.size <= size]
    pending = _pending()
    return Restored(manifest, size, behind, agreed, pending, ended, None if pending else drift(now()), again)


def kept_notes(given: Sequence[Path], verifiers: Sequence[str]) -> list[Known]:
    """The checkpoints that are kept outside the database: the sequencer's public note, and those that were given."""
    public = Path(settings.OPSPORTAL_PUBLIC_DIR)
    files = [*given, *(file for file in (public / "checkpoint",) if file.exists())]
    beside = public / "evidence.pub"
    every = [*verifiers, *([beside.read_text().strip()] if beside.exists() else [])]
    return [_note(file, every) for file in files]


def _erased(given: Sequence[Path], verifiers: Sequence[str]) -> list[Mapping[str, Any]]:
    """What the lists that are kept outside the database say was erased. Raises ErasuresUnreadable."""
    public = Path(settings.OPSPORTAL_PUBLIC_DIR)
    every = [*verifiers, *(file.read_text().strip() for file in sorted(public.glob("evidence*.pub")))]
    files = [*given, *(file for file in (public / erasures.NAME,) if file.exists())]
    return list({row["change"]: row for file in files for row in erasures.read(file, every)}.values())


def _note(file: Path, verifiers: Sequence[str]) -> Known:
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as pack:
                text = pack.read(IN_A_PACK).decode()
        else:
            text = file.read_text()
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as problem:
        raise CheckpointUnreadable(f"{file} cannot be read ({problem}).") from problem
    fitting = [verifier for verifier in verifiers if known.signed_by(text, verifier)]
    if not fitting:
        raise CheckpointUnreadable(f"{file} holds no checkpoint that this portal's log signed.")
    return known.of_note(text, fitting[0], str(file))


def _require_fit(manifest: dict[str, Any]) -> None:
    if manifest["database"] != connection.vendor:
        raise WillNotRestore(f"The backup is of {manifest['database']}, and DATABASE_URL names {connection.vendor}.")
    unknown = set(manifest["migrations"]) - _of_this_software()
    if unknown:
        raise WillNotRestore(f"The backup is of newer software: {min(unknown)} is not known here.")
    if not dumping.is_empty():
        raise WillNotRestore("The database is not empty, so nothing was restored.")


def _of_this_software() -> set[str]:
    return {f"{app}.{name}" for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations}


def _pending() -> int:
    loader = MigrationLoader(connection)
    return len(set(loader.disk_migrations) - set(loader.applied_migrations))


def _differs(manifest: dict[str, Any], last: Checkpoint | None) -> list[str]:
    said, leaves = manifest["checkpoint"], Leaf.objects.count()
    found = {"size": last.size, "root": bytes(last.root).hex(), "note": last.note} if last else None
    problems = [] if said == found else ["The newest checkpoint is not the one that the manifest quotes."]
    if leaves != (last.size if last else 0):
        problems.append(f"{leaves} leaves stand beside a checkpoint of {last.size if last else 0}.")
    return problems
