"""ML-DSA-44 beside Ed25519, by the log itself, on checkpoints that packs keep: evidence outlives today's curves.

C2SP tlog-cosignature, type 0x06. The seed lies beside the log's key, is read by the sequencer alone, and changes with
it. An export wishes for a line under the checkpoint that it ends with; the sequencer signs what it signed before.
"""

from __future__ import annotations

import os
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from django.conf import settings

from procedures.evidence import known, verify
from procedures.evidence.models import Checkpoint, Retained, RetainState
from procedures.evidence.notes import Head, Line, NoteRefused, head_of, key_hash, split_note, verifier_text

MLDSA44 = b"\x06"
SUFFIX, PUBLIC = ".mldsa", "mldsa.pub"
WAIT_S = 5.0  # a pack without the line is made all the same


@dataclass(frozen=True, slots=True)
class LongKey:
    """The log's second key under the log's name."""

    name: str
    private: MLDSA44PrivateKey

    @property
    def verifier(self) -> str:
        return verifier_text(self.name, self.private.public_key().public_bytes_raw(), MLDSA44)

    def line(self, head: Head) -> str:
        """A line for a checkpoint. Its time is zero: it says nothing of whether a larger tree was there."""
        raw = self.private.public_key().public_bytes_raw()
        message = verify.subtree(self.name, 0, head.origin, head.size, head.root)
        signature = struct.pack(">Q", 0) + self.private.sign(message)
        return Line(self.name, key_hash(self.name, raw, MLDSA44), signature).text


def load_long(path: Path, name: str) -> LongKey | None:
    """The key whose seed is in `path`, made on first use with mode 0600; None where no library here can do it."""
    try:
        if not path.exists():
            seed = MLDSA44PrivateKey.generate().private_bytes_raw()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(seed)
        return LongKey(name, MLDSA44PrivateKey.from_seed_bytes(path.read_bytes()))
    except UnsupportedAlgorithm:
        return None


def published() -> str:
    """The key as the sequencer published it; empty where there is none."""
    with suppress(FileNotFoundError):
        return (Path(settings.OPSPORTAL_PUBLIC_DIR) / PUBLIC).read_text().strip()
    return ""


def line_under(checkpoint: Checkpoint) -> str:
    """The line of the published key under a checkpoint; waits for one where the log has such a key. Empty without."""
    key, end = published(), time.monotonic() + WAIT_S
    while key:
        row = Retained.objects.filter(checkpoint=checkpoint).first()
        if row is not None:
            return row.line if holds(row.line, checkpoint.note, key) else ""
        if time.monotonic() > end or not RetainState.objects.filter(pk=1).update(wished_size=checkpoint.size):
            return ""
        time.sleep(0.1)
    return ""


def holds(line: str, note: str, key: str) -> bool:
    """Whether that key signed the checkpoint by this line: whoever can write the database can write any row."""
    try:
        text, lines = split_note(note.rpartition("\n\n")[0] + "\n\n" + line)
        name, mark, _, raw = verify.vkey(key)
        fits = len(lines) == 1 and (lines[0].name, lines[0].mark.hex()) == (name, mark)
        return fits and _signed(name, raw, lines[0].signature, head_of(text))
    except (NoteRefused, ValueError):
        return False


def _signed(name: str, raw: bytes, signature: bytes, head: Head) -> bool:
    return verify.long_signed(name, raw, signature, (head.origin, head.size, head.root))


class Retaining:
    """In the sequencer's process: signs what an export wished for, if the log's own key had signed it."""

    def __init__(self, key: LongKey, log_key: str) -> None:
        self.key, self.log_key = key, log_key

    def once(self, at: datetime) -> Retained | None:
        state, _ = RetainState.objects.get_or_create(pk=1)
        wished = Checkpoint.objects.filter(pk=state.wished_size, retained__isnull=True).first()
        if wished is None:
            return None
        RetainState.objects.filter(pk=1).update(wished_size=0)
        if not known.signed_by(wished.note, self.log_key):  # of a key before this one, or of whoever wrote the row
            return None
        line = self.key.line(head_of(split_note(wished.note)[0]))
        return Retained.objects.create(checkpoint=wished, line=line, at=at)


def retaining(path: Path, log_key: str) -> Retaining | None:
    """Beside the log's key in `path`; publishes the second key. Where there can be none nobody waits for it."""
    key = load_long(path.with_suffix(SUFFIX), log_key.partition("+")[0])
    if key is None:
        RetainState.objects.all().delete()
        return None
    RetainState.objects.get_or_create(pk=1)
    known.publish(Path(settings.OPSPORTAL_PUBLIC_DIR) / PUBLIC, key.verifier + "\n")
    return Retaining(key, log_key)
