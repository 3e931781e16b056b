"""Two opened shares give the credential: python3 open_together.py ONE TWO > credential

Needs Python's standard library alone. A share comes out of its file: age -d -i ~/.ssh/id_ed25519 NAME.age > NAME
"""

import sys
from pathlib import Path


def times(a: int, b: int) -> int:
    """The product in the field of AES."""
    found = 0
    while b:
        if b & 1:
            found ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return found


def inverse(a: int) -> int:
    found = 1
    for _ in range(254):
        found = times(found, a)
    return found


def together(one: bytes, two: bytes) -> bytes:
    """The secret: the line through both points, at zero."""
    (x, first), (y, second) = (one[0], one[1:]), (two[0], two[1:])
    if x == y or not x or not y or len(first) != len(second):
        raise SystemExit("these are not two different shares of one credential")
    to_one, to_two = times(y, inverse(x ^ y)), times(x, inverse(x ^ y))
    return bytes(times(a, to_one) ^ times(second[n], to_two) for n, a in enumerate(first))


def main(names: list[str]) -> None:
    if len(names) != 2:
        raise SystemExit(__doc__)
    one, two = (Path(name).read_bytes() for name in names)
    if not one or not two:
        raise SystemExit("a share is empty")
    sys.stdout.buffer.write(together(one, two))


if __name__ == "__main__":
    main(sys.argv[1:])
