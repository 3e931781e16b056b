"""The log's key is changed: one event that both keys signed, and from its leaf on the new key alone signs the log.

Asked for beside the key (`opsportal evidence rotate-key`) and done by the sequencer between two of its rounds. Event,
leaf and the first checkpoint of the new key are one transaction; then files are moved, and whatever was cut short is
brought to its end at the next start. The old private key is gone afterwards: nothing needs it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from procedures.domain.errors import OpsError
from procedures.evidence import known, retained, verify
from procedures.evidence.models import Event
from procedures.evidence.notes import LogKey, load_key
from procedures.evidence.record import record
from procedures.evidence.sequence import Sequencer
from procedures.evidence.verify import Turned, Turns

KIND = "log.key_turned"
PUBLIC = "turns"
COMING, ORDER = ".coming", ".turn"


class NotTurned(OpsError):
    """A log's key cannot be changed here, or not now."""

    code = "evidence.not-turned"
    next_step = "Run this beside the log's key, as the user that the sequencer runs as, once the sequencer has run."


def ask(path: Path, name: str, *, reason: str, by: str) -> LogKey:
    """Make the next key beside the one in `path` and tell the sequencer to turn to it; a second call changes nothing.

    Raises NotTurned.
    """
    if not path.exists():
        raise NotTurned(f"{path} is not there, so this is not where the log's key lies.")
    coming, order = path.with_suffix(COMING), path.with_suffix(ORDER)
    if order.exists() and not coming.exists():
        raise NotTurned("The change before this one is not finished: start the sequencer.")
    if path.stat().st_uid != os.geteuid():
        raise NotTurned(f"{path} belongs to another user, whose sequencer could not read a key of yours.")
    made = load_key(coming, name)
    if path.with_suffix(retained.SUFFIX).exists():
        retained.load_long(path.with_suffix(COMING + retained.SUFFIX), name)
    if not order.exists():
        written = path.with_suffix(".turn-new")
        written.write_text(json.dumps({"reason": reason, "by": by}))
        written.replace(order)
    return made


def asked(path: Path) -> bool:
    """Whether a change was asked for and waits."""
    return path.with_suffix(ORDER).exists()


def turn(sequencer: Sequencer, path: Path, at: datetime) -> bool:
    """Change the key if that was asked for; whoever gets True begins anew with the key that is there then.

    Raises LogWentBack.
    """
    if not asked(path) or not path.with_suffix(COMING).exists():
        return False
    said = json.loads(path.with_suffix(ORDER).read_text())
    coming = load_key(path.with_suffix(COMING), sequencer.key.name)
    with transaction.atomic(durable=True):
        if not sequencer.alone() or (last := sequencer.last()) is None:
            return False
        facts = {
            "size": last.size,
            "former": sequencer.key.verifier,
            "verifier": coming.verifier,
            "note": both(sequencer.key, coming, last.size),
            "reason": said["reason"],
            "by": said["by"],
        }
        if path.with_suffix(COMING + retained.SUFFIX).exists():
            long = retained.load_long(path.with_suffix(COMING + retained.SUFFIX), sequencer.key.name)
            facts |= {"mldsa": long.verifier} if long else {}
        event = record(KIND, actor=None, at=at, facts=facts)
        frontier, note = sequencer.take(last, [event], at, by=coming)
    sequencer.publish(frontier, note)
    settle(path, coming.name)
    return True


def both(former: LogKey, coming: LogKey, size: int) -> str:
    """The note that both keys sign: from leaf `size` on, which is the event of it, the second one signs the log."""
    text = "\n".join([former.name, verify.TURN, str(size), former.verifier, coming.verifier, ""])
    return former.sign(text) + coming.sign(text).rpartition("\n\n")[2]


def settle(path: Path, name: str) -> None:
    """Put the new key in its place if the log holds the change to it; each step may be the last before a next call."""
    coming = path.with_suffix(COMING)
    if coming.exists():
        event = Event.objects.filter(kind=KIND, leaf__isnull=False).order_by("-id").first()
        facts = json.loads(bytes(event.body)) if event is not None else {}
        if facts.get("verifier") != load_key(coming, name).verifier:
            return
        public = Path(settings.OPSPORTAL_PUBLIC_DIR)
        for there in (public / "evidence.pub", path.with_suffix(".pub")):
            known.publish(there.with_suffix(f".turned-{facts['size']}.pub"), facts["former"] + "\n")
        publish(load_key(coming, name).verifier)
        long = path.with_suffix(COMING + retained.SUFFIX)
        if long.exists():
            known.publish(public / f"mldsa.turned-{facts['size']}.pub", retained.published() + "\n")
            long.replace(path.with_suffix(retained.SUFFIX))
        coming.replace(path)
    if not coming.exists():
        path.with_suffix(ORDER).unlink(missing_ok=True)


def told() -> list[Turned]:
    """Every change of a key that the events say and that both of its keys signed, whosever those are."""
    found = []
    rows = Event.objects.filter(kind=KIND, leaf__isnull=False).order_by("leaf__index")
    for index, body in rows.values_list("leaf__index", "body"):
        with suppress(verify.Failed, ValueError, AttributeError):
            found.append(verify.turned(f"leaf {index}", str(json.loads(bytes(body)).get("note")), index))
    return found


def publish(key: str) -> None:
    """Show everybody the changes that led to this key, beside those of other logs that are shown already."""
    name = key.partition("+")[0]
    rows = [row for row in turns().rows if row[0] != name] + Turns.around(key, told()).rows
    if rows:
        text = json.dumps([note for *_, note in rows], indent=1) + "\n"
        known.publish(Path(settings.OPSPORTAL_PUBLIC_DIR) / PUBLIC, text)


def turns() -> Turns:
    """The changes as they are published, by whoever has the key: the database alone could lead anywhere.

    Raises ValueError where the file cannot be read as changes.
    """
    file = Path(settings.OPSPORTAL_PUBLIC_DIR) / PUBLIC
    return Turns.read(file.read_bytes()) if file.exists() else Turns()


def notes() -> list[str]:
    """The published changes as notes that both keys signed, the first one first. Raises ValueError."""
    return [note for *_, note in turns().rows]
