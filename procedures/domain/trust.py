"""The three levels at which a host trusts the portal, the weakest first, and what each of them cannot promise."""

from __future__ import annotations

from collections.abc import Collection

LEVELS = ("key", "restricted", "certificate")
REMAINS = {
    "key": "Its key is standing: whoever has it may run anything as that account, until it is taken from the host.",
    "restricted": (
        "Its key is standing: alone it runs nothing, since the host's stub wants a statement of the issuer for each "
        "command. Nothing ends it by itself, the stub holds it and not sshd, and sshd's own log names no run."
    ),
}


def weaker(level: str, than: str) -> bool:
    """Whether a level promises less than another."""
    return LEVELS.index(level) < LEVELS.index(than)


def remaining(levels: Collection[str]) -> list[tuple[str, str]]:
    """(level, what it cannot promise) for each level among these that leaves something to be said."""
    return [(level, REMAINS[level]) for level in LEVELS if level in levels and level in REMAINS]
