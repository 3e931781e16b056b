"""What a thief of the database has: every value of every row, as a dump holds them, and what can be read there."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import connection

SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Dump:
    """`everything` is one heap of bytes, `strings` each text that stands anywhere in it, JSON and base64 unpacked."""

    everything: bytes
    strings: frozenset[str]

    def holds(self, value: bytes) -> bool:
        """Whether it stands there as it is, as base64 or as hex."""
        forms = (value, base64.b64encode(value).rstrip(b"="), base64.urlsafe_b64encode(value).rstrip(b"="))
        return any(form in self.everything for form in (*forms, value.hex().encode(), value.hex().upper().encode()))


def database() -> Dump:
    """Every table of today's database, those of Django among them."""
    found: list[Any] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - the names are the database's own
            found += [value for row in cursor.fetchall() for value in row]
    texts = frozenset(text for value in found for text in _texts(value) if len(text) >= SHORTEST)
    return Dump(b"\n".join([*map(_bytes, found), *(text.encode("utf-8", "replace") for text in texts)]), texts)


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview | bytearray):
        return bytes(value)
    return str(value).encode()


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Each text in a value, and in what a thief can unpack of it without a key."""
    if depth > 6 or value is None:
        return
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _texts(one, depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, depth + 1)
    else:
        text = _bytes(value).decode("utf-8", "replace")
        yield text
        yield from _unpacked(text, depth)


def _unpacked(text: str, depth: int) -> Iterator[str]:
    if text[:1] in {"{", "["}:
        with contextlib.suppress(ValueError):
            yield from _texts(json.loads(text), depth + 1)
    if text.count(":") == 2 and (found := _session(text)) is not None:
        yield from _texts(found, depth + 1)


def _session(text: str) -> Any:
    """What Django keeps of a session: signed, and readable by anybody."""
    data = text.partition(":")[0]
    try:
        raw = signing.b64_decode(data.removeprefix(".").encode())
        return json.loads(zlib.decompress(raw) if data.startswith(".") else raw)
    except (ValueError, binascii.Error, zlib.error):
        return None


def private_keys() -> dict[str, bytes]:
    """The files that processes keep apart from the database, by name, with what is secret in each."""
    files = [path for path in sorted(Path(settings.OPSPORTAL_KEYS_DIR).rglob("*")) if path.is_file()]
    return {path.name: secret_in(path.read_bytes()) for path in files if path.suffix != ".pub"}


def secret_in(body: bytes) -> bytes:
    """What of a key's file no dump may hold: raw bytes whole, of a text its longest line or value."""
    if not body.isascii():
        return body
    texts = [text.encode() for text in _texts(body.decode())] if body[:1] == b"{" else body.split()
    plain = [text for text in texts if not text.startswith((b"-----", b"ssh-ed25519", b"{"))]
    return max(plain, key=len, default=b"")
