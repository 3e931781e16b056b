"""A plan in words: page, command line and the approver's own browser say the same of the same bytes (H21).

`plan_words.js` says the same of the same bytes; both are held to tests/domain/plan_words.json.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from procedures.domain.text import visible

EMPTY: tuple[Any, ...] = ({}, [], "", None)
SHOWN = 60
MINUTE, HOUR, DAY = 60, 3600, 86_400


def short_code(digest: str) -> str:
    """The first 32 digits of a fingerprint in eight groups of four, as people compare it: 2**64 tries for a double."""
    plain = digest.removeprefix("sha256:")
    return " ".join(plain[i : i + 4] for i in range(0, 32, 4))


def does(value: Any) -> str:
    """What a planned effect does, in one or more lines that a person can read; every control character visible."""
    return visible(_told(value)) if value else ""


def _told(value: Any) -> str:
    if isinstance(value, dict):
        if set(value) == {"secret"}:
            return "«secret»"
        if set(value) == {"decided at run time by"}:
            return f"«decided at run time by {value['decided at run time by']}»"
        if isinstance(value.get("argv"), list):
            rest = {k: v for k, v in value.items() if k != "argv" and v not in EMPTY}
            line = " ".join(shlex.quote(part) if isinstance(part, str) else _told(part) for part in value["argv"])
            return line + (" " + _told(rest) if rest else "")
        return " ".join(f"{k}={_told(v)}" for k, v in value.items() if v not in EMPTY)
    if isinstance(value, list):
        return ", ".join(_told(item) for item in value)
    return str(value)


def plainly(value: Any) -> str:
    """A value as people read it: yes and no, lists with commas, pairs with colons."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plainly(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(plainly(item) for item in value) or "none"
    return visible(str(value))


def length(whole: int) -> str:
    """A length as `38 s`, `4 m 12 s`, `2 h 05 m`, `3 d`."""
    if whole < 1:
        return "< 1 s"
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} m {whole % MINUTE:02d} s" if whole % MINUTE else f"{whole // MINUTE} m"
    if whole < 2 * DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} m" if whole % HOUR >= MINUTE else f"{whole // HOUR} h"
    return f"{whole // DAY} d"


def lines(plan: Mapping[str, Any]) -> dict[str, str]:
    """Place → text: all that a page says of a plan, which the browser then finds in the plan's bytes."""
    found = {
        "what": f"{plan['procedure']} in {plan['environment']}, risk {plan['risk']}",
        "reason": visible(plan["reason"], code=True),
        "parameters": " ".join(f"{name}={plainly(value)}" for name, value in plan["parameters"].items()) or "none",
        "targets": targets(plan),
    }
    for name, lent in plan.get("credentials", {}).items():
        found[f"rights/{name}"] = f"{name} by {lent['provider']} as {lent['role']}, {length(lent['ttl_s'])}"
    for number, step in enumerate(plan["steps"]):
        for place, effect in enumerate(step["effects"]):
            found[f"steps/{number}/{place}"] = f"{step['action']} {does(effect['does'])}"
        if step.get("if"):
            found[f"steps/{number}/if"] = step["if"]
    return found


def targets(plan: Mapping[str, Any]) -> str:
    """How many targets, how many at a time, and the first of their names."""
    names = [target["name"] for target in plan.get("targets", [])]
    if not names:
        return "none; it runs on the portal's runner"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)}, {max(map(len, plan['batches']))} at a time: {' '.join(names[:SHOWN])}{more}"
