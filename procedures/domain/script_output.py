"""What a script hands back: lines of `name=value` or JSON objects in the file named by OPSPORTAL_OUTPUT."""

from __future__ import annotations

import json
import re
from typing import Any

from procedures.domain import limits

MAX_BYTES = limits.OUTPUT_BYTES
MAX_NAMES = 200
_PAIR = re.compile(r"^([A-Za-z][A-Za-z0-9_-]{0,62})=(.*)$")


def parse(data: bytes) -> tuple[dict[str, Any], list[str]]:
    """(values, problems). Nothing raises: a bad line is left out and told."""
    if len(data) > MAX_BYTES:
        return {}, [f"The output file has {len(data):,} bytes; at most {MAX_BYTES:,} are read, so nothing was."]
    values: dict[str, Any] = {}
    problems = []
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        if not line.strip():
            continue
        found = _line(line)
        if found is None or len(values) + len(found) > MAX_NAMES:
            problems.append(f"Output line {number} is neither name=value nor a JSON object, or there are too many.")
            continue
        values.update(found)
    return values, problems


def _line(line: str) -> dict[str, Any] | None:
    if line.startswith("{"):
        try:
            value = json.loads(line)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None
    match = _PAIR.match(line)
    return {match[1]: match[2]} if match else None
