"""The log: RFC 6962 by its recursive definition, C2SP notes by regular expressions, signatures by `cryptography`."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from tests.second.container import Refused, need, value_of

LINE = re.compile("\u2014 ([^ +]+) ([A-Za-z0-9+/]+={0,2})")
NOTE = re.compile("(([^\n]+)\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n)\n((?:[^\n]+\n)+)")
LAST_SECOND = 253402300799


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf(line: bytes) -> bytes:
    return sha(b"\0" + line)


@cache
def _pair(left: bytes, right: bytes) -> bytes:
    return sha(b"\1" + left + right)


def root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return _pair(root(leaves[:split]), root(leaves[split:]))


def climbed(value: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that an audit path leads to, by the recursive definition of PATH (2.1.1)."""
    if size == 1:
        return value if not path else None
    if not path or not 0 <= index < size:
        return None
    split = 1
    while split * 2 < size:
        split *= 2
    *rest, last = path
    if index < split:
        below = climbed(value, index, split, rest)
        return None if below is None else _pair(below, last)
    below = climbed(value, index - split, size - split, rest)
    return None if below is None else _pair(last, below)


def exact(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as problem:
        raise Refused("no base64") from problem
    need(base64.b64encode(data).decode() == text, "base64 in another form")
    return data


def signed(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_of(text: str) -> tuple[str, bytes, int, bytes]:
    """(name, mark, type, key) of a verifier key."""
    try:
        name, mark, encoded = text.split("+", 2)
    except ValueError as problem:
        raise Refused("no key") from problem
    raw = exact(encoded)
    need(sha(name.encode() + b"\n" + raw)[:4].hex() == mark, "a key that is none")
    need(len(raw) == (1313 if raw[:1] == b"\6" else 33), "a key that is none")
    return name, bytes.fromhex(mark), raw[0], raw[1:]


def opened(note: bytes, key_at: Callable[[int], str], witnesses: list[str]) -> tuple[int, bytes, set[str]]:
    """(size, root, who cosigned) of a checkpoint: first the line of the log's key of that size, then lines of known
    witnesses, each once.
    """
    try:
        found = NOTE.fullmatch(note.decode())
    except UnicodeDecodeError as problem:
        raise Refused("no text") from problem
    need(found, "no checkpoint")
    assert found is not None
    text, origin, size, hash, tail = found.groups()
    name, mark, _, public = key_of(key_at(int(size)))
    first, *others = [LINE.fullmatch(row) for row in tail.split("\n")[:-1]]
    need(first and all(others), "a line that is no signature")
    assert first is not None
    own = exact(first[2])
    need((first[1], own[:4], origin) == (name, mark, name), "another log")
    need(signed(public, own[4:], text.encode()), "not signed by the log")
    cosigned: set[str] = set()
    known = {key_of(one)[:2]: one for one in witnesses}
    for row in others:
        assert row is not None
        data = exact(row[2])
        who = known.get((row[1], data[:4]))
        need(who is not None and who not in cosigned, "a line of nobody known, or twice")
        assert who is not None
        if key_of(who)[2] == 6:
            need(
                len(data) == 2432 and long_signed(key_of(who), data[4:], origin, int(size), exact(hash)), "no ML-DSA-44"
            )
            cosigned.add(who)
            continue
        need(len(data) == 76, "no cosignature")
        at = int.from_bytes(data[4:12], "big")
        said = f"cosignature/v1\ntime {at}\n{text}".encode()
        need(at <= LAST_SECOND and signed(key_of(who)[3], data[12:], said), "a cosignature that does not hold")
        cosigned.add(who)
    return int(size), exact(hash), cosigned


def long_signed(key: tuple[str, bytes, int, bytes], data: bytes, origin: str, size: int, top: bytes) -> bool:
    """Whether an ML-DSA-44 key signed the tree (C2SP tlog-cosignature, type 06)."""
    named = [len(one.encode()).to_bytes(1, "big") + one.encode() for one in (key[0], origin)]
    said = b"subtree/v1\n\0" + named[0] + data[:8] + named[1] + bytes(8) + size.to_bytes(8, "big") + top
    try:
        MLDSA44PublicKey.from_public_bytes(key[3]).verify(data[8:], said)
    except InvalidSignature:
        return False
    return int.from_bytes(data[:8], "big") <= LAST_SECOND


def logged(
    proof: bytes, manifest: dict[str, Any], digest: str, key_at: Callable[[int], str], witnesses: list[str]
) -> set[str]:
    """Who cosigned that the log holds this export, and holds what the manifest says of it."""
    head, blank, note = proof.partition(b"\n\n")
    rows = head.decode("utf-8", "replace").split("\n")
    need(blank and len(rows) >= 3 and rows[0] == "c2sp.org/tlog-proof@v1", "no proof")
    need(rows[1].startswith("extra ") and re.fullmatch("index (0|[1-9][0-9]{0,17})", rows[2]), "no proof")
    extra = value_of(exact(rows[1][6:]))
    need(isinstance(extra, dict) and extra.keys() == {"header", "body"}, "no event in the proof")
    header, body = extra["header"].encode(), extra["body"].encode()
    event, facts = value_of(header), value_of(body)
    need(event["k"] == "export.made" and event["b"] == sha(body).hex() and facts["manifest"] == digest, "not this one")
    same = all(facts[name] == manifest[name] for name in ("range", "filter", "exporter", "software"))
    need(same and event["at"] == manifest["made_at"], "the log says something else of this export")
    size, top, cosigned = opened(note, key_at, witnesses)
    path = [exact(row) for row in rows[3:]]
    index = int(rows[2][6:])
    need(index < size and climbed(leaf(header), index, size, path) == top, "not in the log")
    return cosigned
