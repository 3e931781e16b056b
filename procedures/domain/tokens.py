r"""The form of a bearer token: a prefix that secret scanners know, and a checksum that tells it from a look-alike.

Scanners use `\bops_[0-9A-Za-z]{46}\b`: 40 random characters (238 bits), then the CRC-32 of `ops_` and these, as six
characters in base 62.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

PREFIX = "ops_"
PATTERN = r"\bops_[0-9A-Za-z]{46}\b"
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM, CHECK = 40, 6
VERBS = ("discover", "view", "run", "cancel", "read_output", "author")  # whatever else is a person's


def new_token() -> str:
    """A fresh token, shown once."""
    body = PREFIX + "".join(secrets.choice(DIGITS) for _ in range(RANDOM))
    return body + _checksum(body)


def is_whole(text: str) -> bool:
    """Whether a text is a token of ours, as far as its form can tell: for scanners, before they ask anybody."""
    return bool(re.fullmatch(PATTERN, text)) and text[-CHECK:] == _checksum(text[:-CHECK])


def _checksum(body: str) -> str:
    number, found = zlib.crc32(body.encode()), ""
    for _ in range(CHECK):
        number, digit = divmod(number, len(DIGITS))
        found = DIGITS[digit] + found
    return found
