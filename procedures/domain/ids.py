"""Identifiers: UUIDv7 (RFC 9562), so that order of making is order of key."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A new UUIDv7: 48 bits of Unix milliseconds, 12 bits of their fraction, the rest random.

    Ids made in one process always grow (RFC 9562, 6.2, method 3); between processes they grow with the clock.
    """
    global _last  # noqa: PLW0603 - one clock for the process, under its lock
    with _lock:
        stamp = (time.time_ns() << 12) // 1_000_000
        _last = stamp = max(stamp, _last + 1)
    noise = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0x2 << 62 | noise
    return UUID(int=value)


def since(at: datetime) -> UUID:
    """What is not greater than any id made at that moment or later: where a search by key begins."""
    return UUID(int=int(at.timestamp() * 1000) << 80)
