"""Patterns of host names in Ansible's inventories: ranges and ports."""

from __future__ import annotations

import re
from string import ascii_letters

from procedures.domain.importing import ImportRefused

MAX_HOSTS = 10_000
_BRACKETED = re.compile(r"^\[([^\]]+)\]:([0-9]+)$")
_WITH_PORT = re.compile(r"^((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)$")


def expand(pattern: str, line: int) -> tuple[list[str], int | None]:
    """(names, port) of a host pattern such as `www[01:50:2].example.com:2222`. Raises ImportRefused."""
    if pattern.endswith(":"):
        raise ImportRefused(f"The host {pattern!r} ends in a colon, which stands before a port.", line=line)
    found = _BRACKETED.match(pattern) or _WITH_PORT.match(pattern)
    host, port = (found[1], int(found[2])) if found else (pattern, None)
    return _ranges(host, line), port


def _ranges(host: str, line: int) -> list[str]:
    if "[" not in host:
        return [host]
    head, _, rest = host.partition("[")
    inside, closed, tail = rest.partition("]")
    if not closed:
        raise ImportRefused(f"The range in {host!r} is not closed.", line=line)
    names = [f"{head}{part}{tail}" for part in _sequence(inside, host, line)]
    found = [name for one in names for name in _ranges(one, line)]
    if len(found) > MAX_HOSTS:
        raise ImportRefused(f"{host!r} stands for more than {MAX_HOSTS:,} hosts.", line=line)
    return found


def _sequence(inside: str, host: str, line: int) -> list[str]:
    bounds = inside.split(":")
    if len(bounds) not in {2, 3} or not bounds[1]:
        raise ImportRefused(f"The range in {host!r} is not start:end or start:end:step.", line=line)
    first, last = bounds[0] or "0", bounds[1]
    step = int(bounds[2]) if len(bounds) == 3 and bounds[2].isdigit() else 1
    width = len(first) if len(first) > 1 and first[0] == "0" else 0
    if width and width != len(last):
        raise ImportRefused(f"The bounds in {host!r} must be of the same length.", line=line)
    if len(first) == 1 and len(last) == 1 and first in ascii_letters and last in ascii_letters:
        begin, end = ascii_letters.index(first), ascii_letters.index(last)
        if begin > end:
            raise ImportRefused(f"The range in {host!r} runs backwards.", line=line)
        return list(ascii_letters[begin : end + 1 : max(step, 1)])
    if not first.isdigit() or not last.isdigit() or int(last) - int(first) > MAX_HOSTS * max(step, 1):
        raise ImportRefused(f"The range in {host!r} is no range of letters or numbers, or too long.", line=line)
    return [str(number).zfill(width) for number in range(int(first), int(last) + 1, max(step, 1))]
