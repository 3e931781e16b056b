"""Text made safe to look at: control and invisible characters become visible escapes; colours alone pass (H22)."""

from __future__ import annotations

import re
import unicodedata

_SGR = re.compile(r"\x1b\[[0-9;]{0,20}m")
_KEEP = {"\n", "\t"}
_HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
# Letters, marks and symbols that draw nothing: fillers, joiners, blank Braille, selectors that no emoji uses.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]")


def visible(text: str, *, colours: bool = False, code: bool = False) -> str:
    """`text` with every control, format and invisible character written out as an escape.

    `code`: so is every space but the plain one, which a shell reads as another character than it looks.
    """
    if colours:
        parts = re.split(f"({_SGR.pattern})", text)
        return "".join(part if _SGR.fullmatch(part) else visible(part, code=code) for part in parts)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char, code=code) for char in text)


def one_line(text: str) -> str:
    """`visible` text that cannot begin another line."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _shown(char: str, *, code: bool) -> str:
    kind = unicodedata.category(char)
    space = code and kind == "Zs" and char != " "
    if char in _KEEP or (kind not in _HIDDEN and not space and not _BLANK.match(char)):
        return char
    point = ord(char)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
