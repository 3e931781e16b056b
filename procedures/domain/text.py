"""Text made safe to look at: control and invisible characters become visible escapes; colours alone pass (H22)."""

from __future__ import annotations

import re
import unicodedata

_SGR = re.compile(r"\x1b\[[0-9;]{0,20}m")
_KEEP = {"\n", "\t"}


def visible(text: str, *, colours: bool = False) -> str:
    """`text` with every control, format and invisible character written out as an escape."""
    if colours:
        parts = re.split(f"({_SGR.pattern})", text)
        return "".join(part if _SGR.fullmatch(part) else visible(part) for part in parts)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    if char in _KEEP or unicodedata.category(char) not in {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}:
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
