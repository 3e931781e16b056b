"""Checkpoints kept outside the database: the memory beside the log's key, and notes that anybody may hold.

A restored database is believed only as far as it agrees with them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from procedures.domain.errors import OpsError
from procedures.evidence.notes import KeyRefused, NoteRefused, head_of, open_note, split_note


class CheckpointUnreadable(OpsError):
    """A file that was to hold a checkpoint holds none, or one that the log's key did not sign."""

    code = "evidence.checkpoint-unreadable"
    next_step = "Give the file that the sequencer wrote to public/checkpoint, or log/checkpoint.end out of a pack."


@dataclass(frozen=True, slots=True)
class Known:
    """A checkpoint that was published: `source` says where it was kept."""

    size: int
    root: bytes
    source: str


def remembered(path: Path) -> tuple[int, bytes] | None:
    """(size, root) of what was last published from beside this key; None before the first time."""
    try:
        row = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return int(row["size"]), bytes.fromhex(row["root"])


def remember(path: Path, size: int, root: bytes) -> None:
    """Keep it, whole or not at all."""
    replace(path, json.dumps({"size": size, "root": root.hex()}))


def replace(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old text or the new one."""
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)


def publish(path: Path, text: str) -> None:
    """The same for what everybody may read, also where the process's umask lets nobody."""
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.chmod(0o644)
    temporary.replace(path)


def size_in(path: Path) -> int:
    """The size that the checkpoint in a file of our own says; -1 where there is none."""
    try:
        return head_of(split_note(path.read_text())[0]).size
    except (FileNotFoundError, NoteRefused):
        return -1


def signed_by(note: str, verifier: str) -> bool:
    """Whether a note is signed by this key."""
    try:
        open_note(note, verifier)
    except NoteRefused:
        return False
    return True


def signer(note: str) -> str:
    """By whom a note says that it is signed: the key's name and, in hexadecimal, the mark of its bytes."""
    first = split_note(note)[1][0]
    return f"{first.name}+{first.mark.hex()}"


def of_note(note: str, verifier: str, source: str) -> Known:
    """What a note says. Raises CheckpointUnreadable."""
    try:
        head = head_of(open_note(note, verifier))
    except (NoteRefused, KeyRefused) as problem:
        raise CheckpointUnreadable(f"{source} holds no checkpoint that the log's key {verifier} signed.") from problem
    return Known(head.size, head.root, source)
