"""What a step was seen to use, as its runner says it: bounded, without values, and never all that happened.

What nobody could see is left out. A credential that was *placed* lay where a program could read it; whether it did, a
runner cannot know. *Not used* is said only where it cannot have reached its server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from procedures.domain.text import visible

MOST, LONGEST = 50, 200
WORDS: Mapping[str, frozenset[str]] = {
    "target": frozenset({"connected", "not connected"}),
    "credential": frozenset({"used", "not used", "placed", "unknown"}),
    "network": frozenset({"none", "listed", "all"}),
    "sudo": frozenset({"called", "unknown"}),
}
LISTS = ("hosts", "calls", "read", "written")
EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
PORTS = {"https": 443, "http": 80}


def seen(
    *,
    target: str = "",
    credential: str = "",
    network: str = "",
    sudo: str = "",
    wrote: bool | None = None,
    **lists: Iterable[str],
) -> dict[str, Any]:
    """The facts of a result: `{"seen": {…}}`. `lists` are of LISTS."""
    said = {"target": target, "credential": credential, "network": network, "sudo": sudo, "wrote": wrote, **lists}
    return {"seen": cleaned(said)}


def cleaned(said: Any) -> dict[str, Any]:
    """What of it is of the right shape: a plug-in may say anything. Of a list MOST stay, the rest is counted."""
    if not isinstance(said, Mapping):
        return {}
    found: dict[str, Any] = {name: said[name] for name, words in WORDS.items() if _word(said.get(name)) in words}
    if isinstance(said.get("wrote"), bool):
        found["wrote"] = said["wrote"]
    for name in LISTS:
        given = said.get(name)
        if isinstance(given, Iterable) and not isinstance(given, str | bytes):
            found |= _bounded(name, given, said.get(f"{name}_more"))
    return found


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _bounded(name: str, given: Iterable[Any], more: Any) -> dict[str, Any]:
    rows = sorted({visible(row[:LONGEST], code=True)[:LONGEST] for row in given if isinstance(row, str)})
    known = more if isinstance(more, int) and not isinstance(more, bool) and 0 < more < 2**31 else 0
    left = max(0, len(rows) - MOST) + known
    return ({name: rows[:MOST]} if rows else {}) | ({f"{name}_more": left} if left and rows else {})


def host_of(url: str) -> str:
    """`name:port` of a rendered URL, or nothing for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""
    return f"{parts.hostname}:{port}" if parts.hostname and port else ""


def path_of(url: str) -> str:
    """The path of a URL as the author wrote it, `{}` for each expression; nothing of a query ever stands in it."""
    text = re.split(r"[?#]", EXPRESSION.sub("{}", url), maxsplit=1)[0]
    rest = text.partition("://")[2]
    return f"/{rest.partition('/')[2]}" if rest else ""


def of_task(facts: Mapping[str, Any], input: Mapping[str, Any], *, lent: bool) -> dict[str, Any]:
    """What evidence keeps of a task's facts: calls with the path of the unrendered `input`, and what is unknown."""
    found = cleaned(facts.get("seen"))
    url = input.get("url")
    if "calls" in found and isinstance(url, str):
        found["calls"] = [f"{call}{path_of(url)}"[:LONGEST] for call in found["calls"]]
    if lent and found and "credential" not in found:
        found["credential"] = "unknown"
    return found
