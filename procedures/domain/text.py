"""Text made safe to look at: control and invisible characters become visible escapes; colours alone pass (H22)."""

from __future__ import annotations

import re
import unicodedata

_SGR = re.compile(r"\x1b\[([0-9;]{0,20})m")
# Bold, underlined and the like, and colours that are legible on a dark and on a light ground; no ground of its own.
_LEGIBLE = {0, 1, 2, 3, 4, 7, 21, 22, 23, 24, 27, 39, 49, *range(31, 37), *range(90, 97)}
_PLAIN = re.compile(r"[\x20-\x7e\n\t]*\Z")
_KEEP = {"\n", "\t"}
_HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
# Letters, marks and symbols that draw nothing: fillers, joiners, blank Braille, selectors that no emoji uses.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]")


def amount(count: int, noun: str) -> str:
    """How many of something: `1 run`, `1,204 runs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def visible(text: str, *, colours: bool = False, code: bool = False) -> str:
    """`text` with every control, format and invisible character written out as an escape.

    `colours`: those of a terminal pass, but for such as hide the text.
    `code`: so is every space but the plain one, which a shell reads as another character than it looks.
    """
    if colours:
        return _coloured(text, code=code)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char, code=code) for char in text)


def _coloured(text: str, *, code: bool) -> str:
    """Colours pass, but none that hides what it colours: it is left out, so that the text shows."""
    if _PLAIN.match(text):
        return text
    out, place = [], 0
    for sgr in _SGR.finditer(text):
        out.append(visible(text[place : sgr.start()], code=code))
        if all(int(part or 0) in _LEGIBLE for part in sgr[1].split(";")):
            out.append(sgr[0])
        place = sgr.end()
    return "".join([*out, visible(text[place:], code=code)])


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
