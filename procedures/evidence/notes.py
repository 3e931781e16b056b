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

ED25519, COSIGNATURE = b"\x01", b"\x04"  # signed-note's type bytes: a log's signature, a witness's cosignature/v1
MOST_LINES = 64
DASH = "\u2014 "


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


class KeyRefused(OpsError):
    """What was to be a verifier key is none, or one of another kind."""

    code = "evidence.key-refused"
    next_step = "Give the whole text NAME+MARK+KEY, as whoever holds the private key printed it."


@dataclass(frozen=True, slots=True)
class Verifier:
    """A C2SP verifier key: `kind` is its type byte, `raw` the 32 bytes of an Ed25519 public key."""

    name: str
    kind: bytes
    raw: bytes

    @property
    def mark(self) -> bytes:
        return key_hash(self.name, self.raw, self.kind)

    @property
    def text(self) -> str:
        return verifier_text(self.name, self.raw, self.kind)


@dataclass(frozen=True, slots=True)
class Line:
    """One signature line of a note: whose it says that it is, and the bytes after the key's mark."""

    name: str
    mark: bytes
    signature: bytes

    @property
    def text(self) -> str:
        return f"{DASH}{self.name} {base64.b64encode(self.mark + self.signature).decode()}\n"

    def is_of(self, verifier: Verifier) -> bool:
        return (self.name, self.mark) == (verifier.name, verifier.mark)


@dataclass(frozen=True, slots=True)
class Head:
    """What a checkpoint says: `root` is that of the tree of the first `size` leaves of the log named `origin`."""

    origin: str
    size: int
    root: bytes


def key_hash(name: str, raw: bytes, kind: bytes = ED25519) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + kind + raw).digest()[:4]


def verifier_text(name: str, raw: bytes, kind: bytes = ED25519) -> str:
    return f"{name}+{key_hash(name, raw, kind).hex()}+{base64.b64encode(kind + raw).decode()}"


def read_verifier(text: str, *, kind: bytes) -> Verifier:
    """The key that `NAME+MARK+KEY` says, if it is of this kind. Raises KeyRefused."""
    name, _, rest = text.strip().partition("+")
    mark, _, encoded = rest.partition("+")
    key = exact_base64(encoded)
    found = Verifier(name, key[:1], key[1:])
    if not sound_name(name) or len(found.raw) != 32 or found.mark.hex() != mark:
        raise KeyRefused(f"{text.strip()[:120]!r} is no key: its name, mark and bytes do not fit.")
    if found.kind != kind:
        raise KeyRefused(f"{name} is a key of type {found.kind.hex()}, and one of type {kind.hex()} is needed here.")
    return found


def sound_name(name: str) -> bool:
    """Whether signed-note allows this as the name of a key."""
    return bool(name) and "+" not in name and not any(letter.isspace() or letter < " " for letter in name)


def exact_base64(text: str) -> bytes:
    """The bytes of base64 in its one form; none of any other text."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    return data if base64.b64encode(data).decode() == text else b""


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


def head_of(text: str) -> Head:
    """What the text of a checkpoint says; lines after the third may follow and say nothing. Raises NoteRefused."""
    rows = text.split("\n")
    if len(rows) < 4 or rows.pop() or not all(rows):
        raise NoteRefused("The note's text is not a checkpoint: it has not three lines.")
    size, root = decimal(rows[1]), exact_base64(rows[2])
    if size is None or len(root) != 32:
        raise NoteRefused("The note's text is not a checkpoint: its size or root is none.")
    return Head(rows[0], size, root)


def decimal(text: str) -> int | None:
    """A whole number below 2**63 in its one form, or None."""
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or str(int(text)) != text:
        return None
    return int(text) if int(text) < 2**63 else None


def split_note(note: str) -> tuple[str, list[Line]]:
    """(text, signature lines) of a note, of which nothing is verified yet. Raises NoteRefused."""
    text, blank, signatures = note.rpartition("\n\n")
    rows = signatures.split("\n")
    if not blank or rows.pop() or not rows or len(rows) > MOST_LINES or any(c < " " for c in note if c != "\n"):
        raise NoteRefused("The note is not a text, an empty line and signature lines.")
    return text + "\n", [_line(row) for row in rows]


def _line(row: str) -> Line:
    name, _, encoded = row.removeprefix(DASH).partition(" ")
    data = exact_base64(encoded)
    if not row.startswith(DASH) or not sound_name(name) or len(data) < 5:
        raise NoteRefused("The note has a line that is no signature.")
    return Line(name, data[:4], data[4:])


def signed(raw: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the Ed25519 key `raw` signed `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True


def open_note(note: str, verifier: str) -> str:
    """The text of a note that `verifier` signed; lines of others, such as witnesses, are passed over.

    Raises NoteRefused, KeyRefused.
    """
    key = read_verifier(verifier, kind=ED25519)
    text, lines = split_note(note)
    mine = [line for line in lines if line.is_of(key)]
    if not mine:
        raise NoteRefused("The note is signed by another key.")
    if not all(signed(key.raw, text.encode(), line.signature) for line in mine):
        raise NoteRefused("The signature of the note does not verify.")
    return text
