"""A secret value that does not print, pickle or compare in variable time."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """Bytes that are shown to nobody. `reveal()` is the one way out."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> NoReturn:
        raise TypeError("a secret is not hashable")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be serialised")
