"""A secret of nobody, in every encoding that the mask promises; made without the code that makes the patterns."""

from __future__ import annotations

import base64
import html
import json
import shlex
import urllib.parse
from collections.abc import Mapping

CANARY = "cañary/5f3a'9c71+e2d8\"4b06&<ü>"


def encodings(secret: str) -> Mapping[str, bytes]:
    """The secret by the name of the encoding, as a program would print it; none of them is the secret itself twice."""
    raw, wide = secret.encode(), secret.encode("utf-16-le")
    return {
        "raw": raw,
        "JSON": json.dumps(secret).encode(),
        "JSON, letters as they are": json.dumps(secret, ensure_ascii=False).encode(),
        "JSON twice": json.dumps(json.dumps(secret)).encode(),
        "URL": urllib.parse.quote(secret, safe="").encode(),
        "URL, path": urllib.parse.quote(secret).encode(),
        "URL, form": urllib.parse.quote_plus(secret).encode(),
        "hex": raw.hex().encode(),
        "hex, capitals": raw.hex().upper().encode(),
        "hex, colons": raw.hex(":").encode(),
        "base64": base64.b64encode(raw),
        "base64, one byte in": base64.b64encode(b"u" + raw + b"z"),
        "base64, two bytes in": base64.b64encode(b"u:" + raw + b"z"),
        "base64url": base64.urlsafe_b64encode(raw),
        "base64 of UTF-16": base64.b64encode(wide),
        "shell": shlex.quote(secret).encode(),
        "SQL": secret.replace("'", "''").encode(),
        "HTML": html.escape(secret).encode(),
    }


def core(name: str, form: bytes) -> bytes:
    """What of an encoding is the secret's alone: no quotes around it, and no bits that it shares with neighbours."""
    if name.startswith("base64"):
        return form.rstrip(b"=")[4:-4]
    return form.strip(b"\"'\\") if name in {"JSON", "JSON, letters as they are", "JSON twice", "shell"} else form
