"""Log filters that took values out of a step's output, as `name=value` lines that the step hands back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from procedures.importers.rundeck.source import text

USUAL = r"^RUNDECK:DATA:\s*([^\s]+?)\s*=\s*(.+)$"
KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
CLASSES = {"s": "[:space:]", "d": "0-9", "w": "[:alnum:]_"}
LAZY = (
    (r"([^\s]+?)\s*=", "([^[:space:]=]+)[[:space:]]*="),
    (r"(\S+?)\s*=", "([^[:space:]=]+)[[:space:]]*="),
    (r"(.+?)\s*=", "([^=]*[^=[:space:]])[[:space:]]*="),
    (r"(.+?)=", "([^=]+)="),
)


@dataclass(frozen=True, slots=True)
class Capture:
    """`sed` is one substitution in extended form; `names` matches the keys it can give, None where any."""

    sed: str
    names: re.Pattern[str] | None


def capture(config: Mapping[str, Any]) -> Capture | None:
    """What a key-value-data filter takes, or None where its pattern has no counterpart."""
    pattern, name = text(config.get("regex")) or USUAL, text(config.get("name"))
    body = pattern.removeprefix("^")
    body = body[:-1] if body.endswith("$") and not body.endswith("\\$") else body
    extended = _extended(body)
    mark = next((c for c in "/#%!~,@;" if extended and c not in extended), None)
    groups = len(re.findall(r"(?<!\\)\((?!\?)", re.sub(r"\[[^\]]*\]", "", pattern)))
    if extended is None or mark is None or not groups:
        return None
    if groups >= 2:
        known = re.match(r"\^?\(([A-Za-z][\w|-]*)\)", pattern)
        return Capture(f"s{mark}^{extended}${mark}\\1=\\2{mark}p", re.compile(known[1]) if known else None)
    if not KEY.fullmatch(name):
        return None
    return Capture(f"s{mark}^{extended}${mark}{name}=\\1{mark}p", re.compile(re.escape(name)))


def _extended(pattern: str) -> str | None:
    """A Java pattern as a POSIX extended one, or None for what that does not know."""
    for lazy, strict in LAZY:
        if pattern.count(lazy):
            left, _, right = pattern.partition(lazy)
            before, after = _extended(left), _extended(right)
            return None if before is None or after is None else before + strict + after
    if re.search(r"(?<!\\)[+*?}][?+]|\(\?|\\[bBAZzGQEpPkuxnt0-9]|&&", pattern) or "\n" in pattern:
        return None
    out, index, inside = "", 0, False
    while index < len(pattern):
        character = pattern[index]
        if character == "\\" and index + 1 < len(pattern):
            out += _escaped(pattern[index + 1], inside=inside)
            index += 2
            continue
        inside = (character == "[") if not inside else character != "]"
        out += character
        index += 1
    return out


def _escaped(letter: str, *, inside: bool) -> str:
    if letter in CLASSES:
        return CLASSES[letter] if inside else f"[{CLASSES[letter]}]"
    if letter.lower() in CLASSES:
        return f"[^{CLASSES[letter.lower()]}]"
    return letter if inside else "\\" + letter


def collecting(fragment: str, captures: list[Capture]) -> str:
    """A shell text that runs a fragment, shows its output and hands back what the filters took; `status` is its end."""
    seds = "\n".join(f'sed -nE {shlex.quote(one.sed)} "$seen" >>"$OPSPORTAL_OUTPUT"' for one in captures)
    return (
        "seen=$(mktemp) ended=$(mktemp)\n"
        f"{{\n{fragment}\n"
        'echo $? >"$ended"; } | tee "$seen"\n'
        'read -r status <"$ended"\n'
        f"{seds}\n"
        'rm -f "$seen" "$ended"'
    )
