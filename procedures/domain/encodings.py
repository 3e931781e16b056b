"""The forms in which a secret may show up in output: about a dozen encodings, each as bytes to look for."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import urllib.parse
from collections.abc import Iterator

MIN_RAW = 3
MIN_ENCODED = 6
LONG_LINE = 8


def forms(secret: bytes) -> set[bytes]:
    """Every pattern for one secret; short ones, which would mask half a page, are left to the raw form."""
    found = {secret} if len(secret) >= MIN_RAW else set()
    text = secret.decode("utf-8", "surrogateescape")
    pieces = [text]
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    if len(lines) > 1:
        pieces += [line for line in lines if len(line) >= LONG_LINE and not line.startswith("-----")]
    for piece in pieces:
        found.update(form for form in _piece(piece) if len(form) >= MIN_ENCODED)
        raw = piece.encode("utf-8", "surrogateescape")
        if len(raw) >= MIN_RAW:
            found.add(raw)
    return {form for form in found if form}


def _piece(text: str) -> Iterator[bytes]:
    raw = text.encode("utf-8", "surrogateescape")
    clean = raw.decode("utf-8", "replace")
    for ascii_only in (True, False):
        once = json.dumps(clean, ensure_ascii=ascii_only)[1:-1]
        yield once.encode()
        yield once.replace("/", "\\/").encode()
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1].encode()
    for safe in ("", "/", "~"):
        yield urllib.parse.quote(raw, safe=safe).encode()
    yield urllib.parse.quote_plus(raw).encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield raw.hex(":").encode()
    yield shlex.quote(clean)[1:-1].encode()
    yield clean.replace("'", "''").encode()
    yield re.sub(r"([^A-Za-z0-9_])", r"\\\1", clean).encode()
    yield html.escape(clean).encode()
    yield from _base64(raw)
    yield from _base64(clean.encode("utf-16-le"))


def _base64(raw: bytes) -> Iterator[bytes]:
    """Base64 and base64url at the three offsets at which the secret may stand inside something longer."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            whole = encode(b"\0" * offset + raw).rstrip(b"=")
            first = (offset * 8 + 5) // 6
            last = (8 * (offset + len(raw))) // 6
            yield whole[first:last]
