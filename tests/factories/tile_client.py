"""A client of tlog-tiles written from the texts of C2SP and RFC 6962 alone: nothing of ours is imported here."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Get = Callable[[str], bytes]


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mth(hashes: list[bytes]) -> bytes:
    """The Merkle tree hash over leaf hashes, by the recursive definition."""
    if not hashes:
        return sha(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return sha(b"\x01" + mth(hashes[:k]) + mth(hashes[k:]))


def element(number: int) -> str:
    """1234067 → x001/x234/067."""
    head, last = divmod(number, 1000)
    path = f"{last:03d}"
    while head:
        head, part = divmod(head, 1000)
        path = f"x{part:03d}/{path}"
    return path


@dataclass(slots=True)
class Found:
    """What a whole reading of a log gave."""

    size: int
    root: bytes
    entries: list[bytes]


class TileClient:
    """`get` fetches a path below the log's prefix; bodies come unpacked."""

    def __init__(self, get: Get, vkey: str) -> None:
        self.get = get
        self.name, _, rest = vkey.partition("+")
        self.mark, _, encoded = rest.partition("+")
        raw = base64.b64decode(encoded)
        assert (raw[0], sha(self.name.encode() + b"\n" + raw)[:4].hex()) == (1, self.mark)
        self.key = Ed25519PublicKey.from_public_bytes(raw[1:])

    def head(self) -> tuple[int, bytes]:
        """(size, root) of the checkpoint, whose signature holds."""
        note = self.get("checkpoint").decode()
        text, _, tail = note.rpartition("\n\n")
        mine = [
            base64.b64decode(line.rpartition(" ")[2])
            for line in tail.splitlines()
            if line.startswith(f"\u2014 {self.name} ")
        ]
        self.key.verify(next(sig[4:] for sig in mine if sig[:4].hex() == self.mark), (text + "\n").encode())
        origin, size, root = text.split("\n")[:3]
        assert (origin, str(int(size))) == (self.name, size)
        return int(size), base64.b64decode(root)

    def tile(self, level: int, number: int, width: int) -> list[bytes]:
        suffix = "" if width == 256 else f".p/{width}"
        data = self.get(f"tile/{level}/{element(number)}{suffix}")
        assert len(data) == 32 * width
        return [data[at : at + 32] for at in range(0, len(data), 32)]

    def level(self, level: int, size: int) -> list[bytes]:
        """Every hash of one level of a tree."""
        count = size // 256**level
        full, rest = divmod(count, 256)
        found = [hash for number in range(full) for hash in self.tile(level, number, 256)]
        return found + (self.tile(level, full, rest) if rest else [])

    def entries(self, size: int) -> list[bytes]:
        found = []
        for number in range(-(-size // 256)):
            width = min(256, size - number * 256)
            data = self.get(f"tile/entries/{element(number)}" + ("" if width == 256 else f".p/{width}"))
            while data:
                length = int.from_bytes(data[:2], "big")
                assert len(data) >= 2 + length
                found.append(data[2 : 2 + length])
                data = data[2 + length :]
        return found

    def read(self) -> Found:
        """The whole log, every tile held against the entries, and the root that they give against the signed one."""
        size, root = self.head()
        entries = self.entries(size)
        assert len(entries) == size
        hashes = [sha(b"\x00" + entry) for entry in entries]
        level = 0
        while 256**level <= size:
            span = 256**level
            assert self.level(level, size) == [
                mth(hashes[at : at + span]) for at in range(0, size // span * span, span)
            ]
            level += 1
        assert mth(hashes) == root
        return Found(size, root, entries)


def unpacked(data: bytes, encoding: str) -> bytes:
    return gzip.decompress(data) if encoding == "gzip" else data
