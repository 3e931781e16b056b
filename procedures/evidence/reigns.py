"""Which key must have signed a checkpoint: each key of the log is good for a range of sizes (turning.py).

Read from what the sequencer published, so that whoever can write the database, and holds a key that was changed,
still has no checkpoint served, exported or proven with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from procedures.domain.errors import OpsError
from procedures.evidence.models import Checkpoint
from procedures.evidence.notes import KeyRefused, NoteRefused, head_of, open_note, split_note
from procedures.evidence.turning import PUBLIC
from procedures.evidence.verify import Turns


class CheckpointRefused(OpsError):
    """A checkpoint in the database that the key of its size did not sign."""

    code = "evidence.checkpoint-refused"
    next_step = "Run `opsportal evidence check`: somebody wrote this row who is not the sequencer."


@dataclass(frozen=True, slots=True)
class Reigns:
    """`keys` are the log's published ones, present and former."""

    keys: tuple[str, ...]
    turns: Turns

    @classmethod
    def published(cls) -> Reigns:
        """As they lie in OPSPORTAL_PUBLIC_DIR. Raises CheckpointRefused where the changes cannot be read."""
        folder = Path(settings.OPSPORTAL_PUBLIC_DIR)
        keys = tuple(path.read_text().strip() for path in sorted(folder.glob("evidence*.pub")))
        file = folder / PUBLIC
        try:
            return cls(keys, Turns.read(file.read_bytes()) if file.exists() else Turns())
        except ValueError as problem:
            raise CheckpointRefused(f"{file} holds no changes of the log's key: {problem}.") from problem

    def hold(self, note: str) -> bool:
        """Whether the key that signs a log of that name at that size signed the note."""
        try:
            head = head_of(split_note(note)[0])
            fitting = {self.turns.at(key, head.size) for key in self.keys if key.startswith(f"{head.origin}+")}
        except NoteRefused:
            return False
        return any(_signed(note, key) for key in fitting)


def require(checkpoint: Checkpoint) -> Checkpoint:
    """The same one, if it stands; where no key is published yet nothing is looked at. Raises CheckpointRefused."""
    reigns = Reigns.published()
    if reigns.keys and not reigns.hold(checkpoint.note):
        raise CheckpointRefused(
            f"The checkpoint of size {checkpoint.size} is not signed by the log's key of that size."
        )
    return checkpoint


def _signed(note: str, key: str) -> bool:
    try:
        open_note(note, key)
    except (NoteRefused, KeyRefused):
        return False
    return True
