#!/usr/bin/env python3
"""Two opened shares give the credential: python3 open_together.py ONE TWO > credential

Needs Python's standard library alone. Each share comes out of its .age file: age -d -i ~/.ssh/id_ed25519 NAME.age > NAME
"""

import sys


def times(a, b):
    found = 0
    while b:
        if b & 1:
            found ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return found


def inverse(a):
    found = 1
    for _ in range(254):
        found = times(found, a)
    return found


def together(one, two):
    """The secret: the line through both points, at zero."""
    (x, first), (y, second) = (one[0], one[1:]), (two[0], two[1:])
    if x == y or not x or not y or len(first) != len(second):
        raise SystemExit("these are not two different shares of one credential")
    to_one, to_two = times(y, inverse(x ^ y)), times(x, inverse(x ^ y))
    return bytes(times(a, to_one) ^ times(b, to_two) for a, b in zip(first, second))


def main(names):
    if len(names) != 2:
        raise SystemExit(__doc__)
    shares = []
    for name in names:
        with open(name, "rb") as file:
            shares.append(file.read())
    sys.stdout.buffer.write(together(*shares))


if __name__ == "__main__":
    main(sys.argv[1:])
