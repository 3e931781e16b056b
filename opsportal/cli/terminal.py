"""The way to a terminal: whatever others wrote, no control character of theirs reaches it; colours alone pass (H29)."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, TextIO

from procedures.domain.text import visible

HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
_PLAIN = re.compile(r"[\x20-\x7e\n\t]*\Z")


class Shown:
    """A text stream that writes out every control, format and invisible character as an escape."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(visible(text, colours=True))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def told_json(data: Any) -> str:
    """JSON for people and programs alike: letters as they are, what a terminal would obey as JSON's own escapes."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return text if _PLAIN.match(text) else "".join(map(_escaped, text))


def _escaped(char: str) -> str:
    if char in "\n\t" or unicodedata.category(char) not in HIDDEN:
        return char
    return json.dumps(char)[1:-1]
