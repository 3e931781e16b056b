"""Canonical bytes: RFC 8785 restricted to what every language writes alike (evidence.md).

The profile: objects with ASCII string keys, arrays, strings without lone surrogates,
integers |n| < 2**53, booleans; no floats; a key that is absent is not null.
On it RFC 8785 equals the standard library's sorted compact JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

LIMIT = 2**53


class NotCanonical(ValueError):
    """A value or a byte string outside the profile."""


def _check(value: Any, path: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= LIMIT:
            raise NotCanonical(f"{path or '/'}: {value} is outside ±2**53")
        return value
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as problem:
            raise NotCanonical(f"{path or '/'}: lone surrogate") from problem
        return value
    if isinstance(value, Mapping):
        return {_key(k, path): _check(v, f"{path}/{k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_check(v, f"{path}/{i}") for i, v in enumerate(value)]
    raise NotCanonical(f"{path or '/'}: {type(value).__name__} has no canonical form")


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str) or not key.isascii():
        raise NotCanonical(f"{path or '/'}: key {key!r} is not an ASCII string")
    return key


def canon(value: Any) -> bytes:
    """The one byte string of `value`. Raises NotCanonical outside the profile."""
    return json.dumps(_check(value, ""), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse(data: bytes) -> Any:
    """The value of canonical bytes. Raises NotCanonical unless `canon(parse(data)) == data`."""
    try:
        value = json.loads(data)
    except ValueError as problem:
        raise NotCanonical(str(problem)) from problem
    if canon(value) != data:
        raise NotCanonical("the bytes are not in canonical form")
    return value


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """`sha256:<hex>` of the canonical bytes of `value`."""
    return "sha256:" + sha256_hex(canon(value))


def moment(at: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.ffffffZ`, the only way a moment is written."""
    if at.tzinfo is None:
        raise NotCanonical("a moment without a time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_moment(text: str) -> datetime:
    """Inverse of `moment`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
