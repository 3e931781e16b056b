"""Checkpoints kept outside the database: the memory beside the log's key, and notes that anybody may hold.

A restored database is believed only as far as it agrees with them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from procedures.domain.errors import OpsError
from procedures.evidence.notes import NoteRefused, open_note


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


def signed_by(note: str, verifier: str) -> bool:
    """Whether a note is signed by this key."""
    try:
        open_note(note, verifier)
    except NoteRefused:
        return False
    return True


def signer(note: str) -> str:
    """By whom a note says that it is signed: the key's name and, in hexadecimal, the mark of its bytes."""
    name, _, signature = note.rstrip("\n").rpartition("\n")[2].removeprefix("\u2014 ").rpartition(" ")
    return f"{name}+{base64.b64decode(signature)[:4].hex()}"


def of_note(note: str, verifier: str, source: str) -> Known:
    """What a note says. Raises CheckpointUnreadable."""
    try:
        _, size, root = open_note(note, verifier).rstrip("\n").split("\n")
        return Known(int(size), base64.b64decode(root, validate=True), source)
    except (NoteRefused, ValueError) as problem:
        raise CheckpointUnreadable(f"{source} holds no checkpoint that the log's key {verifier} signed.") from problem
