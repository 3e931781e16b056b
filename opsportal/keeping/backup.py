"""A backup in one file: the database with every evidence body, the log's public keys, and what the log said then.

No private key is in it. Members are named with their digests in a manifest, which quotes the checkpoint that the log
had signed in the very state that was dumped: that is what a restore is held against.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from opsportal.keeping import dumping
from procedures.domain.canonical import moment
from procedures.domain.errors import OpsError
from procedures.evidence.models import Checkpoint, Event, Leaf, Outbox
from procedures.models import Person, Run

FORMAT = 1
MANIFEST = "manifest.json"
NOT_IN_IT = (
    "the log's signing key",
    "keys of runners, pools and certificate authorities",
    "secrets of the settings",
    "keys of git sources",
    "clients' secrets of identity providers",
)


class BackupExists(OpsError):
    """A backup never takes the place of another file."""

    code = "backup.exists"
    next_step = "Give a name that is free."


def make(target: Path, *, at: datetime) -> dict[str, Any]:
    """Write a backup to `target` (mode 0600, whole or not at all); gives its manifest.

    Processes may go on meanwhile. Raises BackupExists, DumpFailed.
    """
    if target.exists():
        raise BackupExists(f"{target} exists.")
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".backup-") as name:
        folder = Path(name)
        manifest = dumping.dump(folder / dumping.member(), _told) | {"format": FORMAT, "made_at": moment(at)}
        public = _public()
        for file, text in public.items():
            (folder / file).write_text(text)
        files = [dumping.member(), *public]
        manifest["files"] = {file: _digest(folder / file) for file in files}
        draft = folder / "backup.tar"
        with (
            os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out,
            tarfile.open(fileobj=out, mode="w") as tar,
        ):
            _add(tar, MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
            for file in files:
                tar.add(folder / file, arcname=file, filter=_plain)
        os.link(draft, target)
    return manifest


def _told() -> dict[str, Any]:
    """What the database says of itself and of its log, read in one state."""
    last = Checkpoint.objects.order_by("-size").first()
    rows = MigrationRecorder(connection).applied_migrations()
    return {
        "software": settings.OPSPORTAL_VERSION,
        "database": connection.vendor,
        "migrations": sorted(f"{app}.{name}" for app, name in rows),
        "checkpoint": {"size": last.size, "root": bytes(last.root).hex(), "note": last.note} if last else None,
        "counts": {
            "events": Event.objects.count(),
            "leaves": Leaf.objects.count(),
            "waiting": Outbox.objects.count(),
            "runs": Run.objects.count(),
            "people": Person.objects.count(),
        },
        "not_in_it": list(NOT_IN_IT),
    }


def _public() -> dict[str, str]:
    """The log's public keys, present and former, by their names in the backup."""
    folder = Path(settings.OPSPORTAL_PUBLIC_DIR)
    return {file.name: file.read_text() for file in sorted(folder.glob("evidence*.pub"))}


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    tar.addfile(entry, io.BytesIO(data))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def read(archive: Path, folder: Path) -> dict[str, Any]:
    """Unpack a backup into an empty folder and hold it against its manifest, which is given. Raises BackupBroken."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        manifest = json.loads((folder / MANIFEST).read_text())
        files: Mapping[str, str] = manifest["files"]
        strange = {path.name for path in folder.iterdir()} ^ {MANIFEST, *files}
        changed = [name for name, digest in files.items() if name not in strange and _digest(folder / name) != digest]
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise BackupBroken(f"{archive} is not a backup that this software wrote ({problem}).") from problem
    if strange or changed:
        raise BackupBroken(f"{archive} differs from its own manifest: {', '.join(sorted([*strange, *changed]))}.")
    if manifest.get("format") != FORMAT:
        raise BackupBroken(f"{archive} has format {manifest.get('format')}, and this software reads {FORMAT}.")
    return dict(manifest)


class BackupBroken(OpsError):
    """A backup that is no backup, was cut short or changed."""

    code = "backup.broken"
    next_step = "Take another copy of it, or another backup."
