"""Characters that hide something from a reviewer: in every text, in file names, and in YAML's own escapes (H22)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from procedures.definitions.lint.notes import FILE, Notes

TEXTUAL = re.compile(
    r"(^|/)(Dockerfile|Makefile|\.[\w.-]+)$|\.(sh|bash|py|sql|ya?ml|md|tf|tfvars|hcl|json|txt|conf|cfg|ini|toml|j2|tpl"
    r"|tmpl|rb|pl|js|ts|ps1|rego|properties|env|service|html|xml|csv)$"
)
SCRIPT = re.compile(r"\.(sh|bash|py|rb|pl|js)$")
# Letters and marks without a shape of their own: Hangul fillers, Khmer inherent vowels, combining grapheme joiner,
# Mongolian selectors, the empty Braille cell, variation selectors beyond those of emoji.
_BLANK = frozenset(
    [
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0),
        *range(0xFE00, 0xFE0F),
        *range(0xE0100, 0xE01F0),
    ]
)
# Arabic and Syriac number signs are of category Cf and can be seen.
_SEEN = frozenset([*range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD])
_HIDING = {"Cc", "Cf", "Zl", "Zp", "Cs"}
_WORDS = {
    0x1B: "an escape sequence",
    0x0D: "a carriage return inside a line",
    0xFE0F: "a variation selector after no symbol",
}


def hidden(text: str) -> int | None:
    """Where the first character stands that cannot be seen or that moves what is around it; None if there is none."""
    if text.isascii() and not _CONTROLS.search(text):
        return None
    return next((place for place, char in enumerate(text) if _hides(text, place, char)), None)


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _hides(text: str, place: int, char: str) -> bool:
    code = ord(char)
    if char in "\n\t" or code in _SEEN or 0xDC80 <= code <= 0xDCFF:  # the last: bytes that are no UTF-8
        return False
    if char == "\r":
        return text[place + 1 : place + 2] not in {"\n", ""}
    if code == 0xFE0F:
        return place == 0 or unicodedata.category(text[place - 1]) not in {"So", "Sm", "Po", "Nd", "Sk"}
    return code in _BLANK or unicodedata.category(char) in _HIDING


def told(char: str) -> str:
    """The name of a character that cannot be shown."""
    code = ord(char)
    return _WORDS.get(code) or f"U+{code:04X} {unicodedata.name(char, 'without a name')}"


def decoded(path: str, content: bytes) -> str | None:
    """A file as text, bytes that are no UTF-8 kept as surrogates; None for what is no text by name and by content."""
    textual = TEXTUAL.search(path) or content[:2] == b"#!"
    if not textual and b"\x00" in content[:8192]:
        return None
    return content.decode("utf-8", "surrogateescape")


def lint(notes: Notes) -> None:
    named = {str(step.input.get("script", "")) for step in notes.definition.steps}
    for path, content in notes.files.items():
        text = decoded(path, content) if path not in named else content.decode("utf-8", "surrogateescape")
        if text is not None:
            file(notes, path, text)
    _file_names(notes)
    _values(notes)


def file(notes: Notes, path: str, text: str) -> None:
    """What one text hides."""
    if any("\udc80" <= char <= "\udcff" for char in text):
        notes.at(path, 1, 1, "not-utf8", "The file is not UTF-8.")
    program = bool(SCRIPT.search(path)) or text.startswith("#!")
    if program and "\r\n" in text:
        notes.at(path, text[: text.index("\r\n")].count("\n") + 1, 1, "crlf", "The script has Windows line ends.")
    for number, line in enumerate(text.split("\n"), 1):
        place = hidden(line)
        if place is not None:
            notes.at(path, number, place + 1, "hidden-character", f"The line holds {told(line[place])}.")
        elif program and (space := _odd_space(line)) is not None:
            notes.at(path, number, space + 1, "odd-space", f"The line holds {told(line[space])}.")


def _odd_space(line: str) -> int | None:
    if line.isascii():
        return None
    return next((n for n, char in enumerate(line) if char != " " and unicodedata.category(char) == "Zs"), None)


def _file_names(notes: Notes) -> None:
    alike: dict[str, str] = {}
    for path in sorted(notes.files):
        place = next((n for n, c in enumerate(path) if c in "\n\t\r" or _hides(path, n, c)), None)
        if place is not None:
            notes.at(path, 1, 1, "hidden-name", f"The file's name holds {told(path[place])}.")
        key = unicodedata.normalize("NFKC", path).casefold()
        if key in alike:
            notes.at(path, 1, 1, "names-alike", f"{path} and {alike[key]} look the same.")
        alike[key] = path


def _values(notes: Notes) -> None:
    """Values and keys as they read once YAML's escapes are gone: a title may turn the reading direction in ASCII."""
    source = notes.files[FILE].decode("utf-8", "surrogateescape").split("\n")
    for pointer, text in _strings(notes.document.value, ""):
        place = next((n for n, char in enumerate(text) if char != "\r" and _hides(text, n, char)), None)
        line = notes.document.where(pointer)[0]
        if place is not None and hidden(source[line - 1]) is None:
            notes.say(pointer, "hidden-character", f"The value holds {told(text[place])}.")


def _strings(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            below = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
            yield below, str(key)
            yield from _strings(item, below)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _strings(item, f"{pointer}/{number}")
