"""C2SP signed notes and checkpoints: how the log's size, root and signature are written."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from procedures.domain.errors import OpsError

ED25519 = b"\x01"


class NoteRefused(OpsError):
    """A note that is malformed, or whose signature does not verify."""

    code = "evidence.note-refused"
    next_step = "Compare the log's key with the one that you were given by another way."


@dataclass(frozen=True, slots=True)
class LogKey:
    """The log's signing key under its name (the origin). `verifier` is the C2SP key text that auditors hold."""

    name: str
    private: Ed25519PrivateKey

    @property
    def raw(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def verifier(self) -> str:
        return verifier_text(self.name, self.raw)

    def sign(self, text: str) -> str:
        """A note: `text` (ending in a newline), a blank line, and the signature line."""
        signature = key_hash(self.name, self.raw) + self.private.sign(text.encode())
        return f"{text}\n\u2014 {self.name} {base64.b64encode(signature).decode()}\n"


def key_hash(name: str, raw: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + raw).digest()[:4]


def verifier_text(name: str, raw: bytes) -> str:
    return f"{name}+{key_hash(name, raw).hex()}+{base64.b64encode(ED25519 + raw).decode()}"


def load_key(path: Path, name: str) -> LogKey:
    """The key in `path`, made on first use with mode 0600."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw())
    return LogKey(name, Ed25519PrivateKey.from_private_bytes(path.read_bytes()))


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def open_note(note: str, verifier: str) -> str:
    """The text of a note whose one signature is by `verifier`. Raises NoteRefused."""
    name, hash_hex, encoded = verifier.split("+", 2)
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not blank or len(lines) != 2 or lines[1] != "" or not lines[0].startswith(f"\u2014 {name} "):
        raise NoteRefused("The note does not have exactly the signature line of this key.")
    try:
        signature = base64.b64decode(lines[0].rpartition(" ")[2], validate=True)
        if signature[:4].hex() != hash_hex:
            raise NoteRefused("The note is signed by another key.")
        Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:]).verify(signature[4:], (text + "\n").encode())
    except (ValueError, InvalidSignature) as problem:
        raise NoteRefused("The signature of the note does not verify.") from problem
    return text + "\n"
