"""The age file format, version 1 (C2SP age.md), for OpenSSH Ed25519 keys: what it makes, `age -d -i KEY` opens.

A portal can only encrypt with it; opening needs the private half, which stays with its owner. The signing key becomes
an X25519 key as in age's agessh package: its shared secret is tweaked by the key itself, so that the two uses of it
have nothing in common.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
from collections.abc import Sequence
from itertools import pairwise

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from procedures.domain.errors import OpsError

VERSION = b"age-encryption.org/v1"
KIND = b"ssh-ed25519"
LABEL = b"age-encryption.org/v1/ssh-ed25519"
CHUNK = 65_536
TAG = 16
_P = 2**255 - 19
_ONCE = bytes(12)  # each wrapping key is used for one message


class NotForYou(OpsError):
    """The file is for other keys than this one, or is no age file, or was changed on its way."""

    code = "result.not-for-you"
    next_step = "Open it with the private half of one of the keys that it names, unchanged as it was fetched."


class NoRecipient(OpsError):
    """A key that nothing can be encrypted to."""

    code = "result.no-recipient"
    next_step = "Enrol an Ed25519 key (`ssh-keygen -t ed25519`) whose private half lies in a file of its owner."


def fits(public: str) -> bool:
    """Whether "ssh-ed25519 AAAA… [comment]" is a key that can be encrypted to."""
    try:
        _point(_blob(public))
    except NoRecipient:
        return False
    return True


def bare(public: str) -> str:
    """An OpenSSH key without its comment, which may name people and their machines."""
    return " ".join(public.split()[:2])


def encrypt(value: bytes, recipients: Sequence[str]) -> bytes:
    """A binary age file that each of these OpenSSH public keys opens. Raises NoRecipient."""
    if not recipients:
        raise NoRecipient("There is nobody to encrypt to.")
    file_key = os.urandom(16)
    head = VERSION + b"\n" + b"".join(_stanza(_blob(public), file_key) for public in recipients) + b"---"
    nonce = os.urandom(16)
    return (
        head + b" " + _b64(_mac(file_key, head)) + b"\n" + nonce + _sealed(_derived(file_key, nonce, b"payload"), value)
    )


def decrypt(file: bytes, private: Ed25519PrivateKey) -> bytes:
    """What was encrypted to this key. Raises NotForYou."""
    head, mac, body = _parts(file)
    file_key = _opened(head, private)
    if not hmac.compare_digest(_mac(file_key, head), mac) or len(body) < 16 + TAG:
        raise NotForYou("The file's head was changed, or it ends too early.")
    return _unsealed(_derived(file_key, body[:16], b"payload"), body[16:])


def is_for(file: bytes, public: str) -> bool:
    """Whether the file names this key among those that open it. Raises NotForYou for what is no age file."""
    mark = b" ".join((b"->", KIND, _mark(_blob(public)), b""))
    return any(line.startswith(mark) for line in _parts(file)[0].split(b"\n"))


def _stanza(blob: bytes, file_key: bytes) -> bytes:
    theirs, mine = _point(blob), X25519PrivateKey.generate()
    share = mine.public_key().public_bytes_raw()
    shared = _tweaked(blob, mine.exchange(X25519PublicKey.from_public_bytes(theirs)))
    wrapped = ChaCha20Poly1305(_derived(shared, share + theirs, LABEL)).encrypt(_ONCE, file_key, None)
    return b" ".join((b"->", KIND, _mark(blob), _b64(share))) + b"\n" + _b64(wrapped) + b"\n"


def _opened(head: bytes, private: Ed25519PrivateKey) -> bytes:
    """The file key, out of the stanza that is for this key."""
    seed = private.private_bytes_raw()
    blob = _wire(private.public_key().public_bytes_raw())
    mine = X25519PrivateKey.from_private_bytes(hashlib.sha512(seed).digest()[:32])
    lines = head.split(b"\n")
    for line, below in pairwise(lines):
        words = line.split(b" ")
        if words[:3] != [b"->", KIND, _mark(blob)] or len(words) != 4:
            continue
        try:
            share = _unb64(words[3])
            shared = _tweaked(blob, mine.exchange(X25519PublicKey.from_public_bytes(share)))
            key = _derived(shared, share + mine.public_key().public_bytes_raw(), LABEL)
            return ChaCha20Poly1305(key).decrypt(_ONCE, _unb64(below), None)
        except (InvalidTag, ValueError):
            continue  # four bytes of a digest may be alike
    raise NotForYou("This file was encrypted to other keys than this one.")


def _parts(file: bytes) -> tuple[bytes, bytes, bytes]:
    """(head up to and with `---`, its authentication code, what follows)."""
    place = file.find(b"\n--- ")
    end = file.find(b"\n", place + 1)
    if not file.startswith(VERSION + b"\n") or place < 0 or end < 0:
        raise NotForYou("This is no age file.")
    try:
        return file[: place + 4], _unb64(file[place + 5 : end]), file[end + 1 :]
    except ValueError:
        raise NotForYou("This is no age file.") from None


def _sealed(key: bytes, value: bytes) -> bytes:
    """The payload in chunks, the last of them marked: it can be neither cut nor put into another order."""
    pieces = [value[at : at + CHUNK] for at in range(0, len(value), CHUNK)] or [b""]
    cipher = ChaCha20Poly1305(key)
    return b"".join(cipher.encrypt(_nonce(n, len(pieces)), piece, None) for n, piece in enumerate(pieces))


def _unsealed(key: bytes, data: bytes) -> bytes:
    pieces = [data[at : at + CHUNK + TAG] for at in range(0, len(data), CHUNK + TAG)]
    cipher = ChaCha20Poly1305(key)
    try:
        return b"".join(cipher.decrypt(_nonce(n, len(pieces)), piece, None) for n, piece in enumerate(pieces))
    except InvalidTag:
        raise NotForYou("The file was changed or cut on its way.") from None


def _nonce(number: int, of: int) -> bytes:
    return number.to_bytes(11, "big") + bytes([number == of - 1])


def _mac(file_key: bytes, head: bytes) -> bytes:
    return hmac.digest(_derived(file_key, b"", b"header"), head, "sha256")


def _tweaked(blob: bytes, shared: bytes) -> bytes:
    tweak = X25519PrivateKey.from_private_bytes(_derived(b"", blob, LABEL))
    return tweak.exchange(X25519PublicKey.from_public_bytes(shared))


def _derived(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


def _blob(public: str) -> bytes:
    """The wire form of an OpenSSH Ed25519 key. Raises NoRecipient."""
    words = public.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError):
        raise NoRecipient("This is no OpenSSH public key.") from None
    if words[0].encode() != KIND or blob != _wire(blob[-32:]):
        raise NoRecipient(f"A key of the kind {words[0][:40]} cannot be encrypted to; an Ed25519 key can.")
    return blob


def _wire(key: bytes) -> bytes:
    return struct.pack(">I", len(KIND)) + KIND + struct.pack(">I", len(key)) + key


def _point(blob: bytes) -> bytes:
    """The X25519 key of an Ed25519 key: u = (1 + y) / (1 - y), RFC 7748, 4.1. Raises NoRecipient."""
    y = int.from_bytes(blob[-32:], "little") & (2**255 - 1)
    u = (1 + y) * pow(1 - y, -1, _P) % _P if y % _P not in (0, 1, _P - 1) else 0
    if not u:
        raise NoRecipient("This key is no point that anything can be encrypted to.")
    return u.to_bytes(32, "little")


def _mark(blob: bytes) -> bytes:
    return _b64(hashlib.sha256(blob).digest()[:4])


def _b64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _unb64(text: bytes) -> bytes:
    """Raises ValueError, also for a second way to write the same bytes."""
    data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if _b64(data) != text:
        raise ValueError("not canonical")
    return data
