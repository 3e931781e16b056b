"""A secret that any two of several people open together, and one alone learns nothing of.

Shamir's, threshold 2, over GF(2^8). A share is a byte longer than the secret: the point, then the line's value there
for each byte.
"""

from __future__ import annotations

import os

MOST = 255


def split(secret: bytes, count: int) -> list[bytes]:
    """So many shares, of which each two give the secret. Raises ValueError for fewer than two, or too many."""
    if not 2 <= count <= MOST:
        raise ValueError("a secret is shared by 2 to 255 people")
    slopes = os.urandom(len(secret))
    points = range(1, count + 1)
    return [
        bytes([x]) + bytes(value ^ times(slope, x) for value, slope in zip(secret, slopes, strict=True)) for x in points
    ]


def times(a: int, b: int) -> int:
    """The product in the field of AES."""
    found = 0
    while b:
        if b & 1:
            found ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return found
