"""Lengths of time as authors write them: `10s`, `15m`, `2h`, `30d`, `7y`."""

from __future__ import annotations

import re

from procedures.domain.errors import OpsError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_FORM = re.compile(r"([0-9]{1,9})([smhdwy])")
PATTERN = r"^[0-9]{1,9}[smhdwy]$"


class NotADuration(OpsError):
    """A text that is not a number and a unit."""

    code = "duration.malformed"
    next_step = "Write a whole number and one of s, m, h, d, w, y, such as 15m."


def seconds(text: str) -> int:
    """Whole seconds of a duration. Raises NotADuration."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise NotADuration(f"{text!r} is not a duration.")
    return int(match[1]) * _UNITS[match[2]]
