"""Collectors: where the events of the log are streamed to, by addresses that people signed (H39)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

CONTROL = "collector"
MOST_EVENTS, MOST_BYTES = 500, 1 << 20
LONGEST_WAIT = timedelta(minutes=15)
LATE = timedelta(minutes=5)  # behind for longer is a gap, and is told as one
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "url", "action"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
        "url": {"type": "string", "minLength": 1, "maxLength": 500},
        "start": {"enum": ["beginning", "now"]},
        "action": {"enum": ["set", "end"]},
    },
}


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the shape of an address cannot say: encrypted, and without what only a settings file may hold."""
    found = urlsplit(object["url"])
    host = found.hostname or ""
    if found.scheme != "https" and not (found.scheme == "http" and host in LOOPBACK):
        return [("/object/url", "begins with https:// (plain http is for this machine itself alone)")]
    if not host or not object["url"].isascii() or any(one.isspace() for one in object["url"]):
        return [("/object/url", "names a host, without blanks")]
    if found.username or found.password or found.query or found.fragment:
        return [("/object/url", "holds no name, secret or query: a token lies in a file of the scheduler")]
    return []


def wait_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: 2 s, 4 s … a quarter of an hour."""
    return min(timedelta(seconds=2 ** min(failures, 10)), LONGEST_WAIT)
